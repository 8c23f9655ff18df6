"""A disk that fails: the n-th system call of a save raises an error, for every n in turn."""

from __future__ import annotations

import contextlib
import io
import os
import resource
from collections.abc import Callable, Iterator
from typing import Any

import pytest

CALLS = ((os, "replace"), (os, "rename"), (os, "fsync"), (os, "mkdir"), (os, "open"), (os, "chmod"), (io, "open"))


class Disk:
    """Counts the calls, and fails at number `at` with the error `errno`."""

    def __init__(self, at: int, errno: int) -> None:
        self.at, self.errno, self.calls = at, errno, 0

    @property
    def has_failed(self) -> bool:
        return self.calls >= self.at

    def guarding(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == self.at:
                raise OSError(self.errno, os.strerror(self.errno))
            return call(*args, **kwargs)

        return guarded


@contextlib.contextmanager
def failing_disk(at: int, errno: int) -> Iterator[Disk]:
    disk = Disk(at, errno)
    with pytest.MonkeyPatch.context() as patch:
        for module, name in CALLS:
            patch.setattr(module, name, disk.guarding(getattr(module, name)))
        yield disk


def every_failure(save: Callable[[], Any], errno: int, expected: type[Exception]) -> Iterator[bool]:
    """Saves again and again, with the first, second, … call failing; yields each time whether an error was raised.

    Ends after the first save in which nothing failed. Any other error than `expected` comes through.
    """
    at = 1
    while True:
        with failing_disk(at, errno) as disk:
            try:
                save()
                told = False
            except expected:
                told = True
        yield told
        if not disk.has_failed:
            return
        at += 1
        assert at < 200, "saving makes no end of calls"


@contextlib.contextmanager
def full_after(n: int) -> Iterator[None]:
    """Limits files to n bytes, which every writer, in any language, sees as an error of the system."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

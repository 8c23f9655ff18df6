"""A network disk with temporary errors: in each call of a save in turn, and one that fails forever."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from faulty import failing_disk
from isthmus.errors import ResourceError
from isthmus.system import files, passing_errors, regular, swapping
from isthmus.training.checkpoint import Checkpoints


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing_errors, "PAUSE", 0.001)


def failing_once(number: int) -> Iterator[int]:
    """Makes the first, second, … call fail, until no call is left."""
    at = 1
    while True:
        with failing_disk(at, number) as disk:
            yield at
        if not disk.has_failed:
            return
        at += 1


@pytest.mark.parametrize("number", sorted(passing_errors.PASSING), ids=lambda n: errno.errorcode[n])
def test_fault_68_a_text_is_written_whichever_call_fails_for_the_moment(number: int, tmp_path: Path) -> None:
    tried = 0
    for at in failing_once(number):
        files.write_text(tmp_path / "a.txt", f"text {at}")
        tried = at
    assert (tmp_path / "a.txt").read_text() == f"text {tried}"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert tried > 3


def test_fault_68_a_checkpoint_is_saved_whichever_call_fails_for_the_moment(tmp_path: Path) -> None:
    checkpoints, steps = Checkpoints(tmp_path / "checkpoint"), 0
    for at in failing_once(errno.ESTALE):
        checkpoints.save(at, {"model": {"w": torch.full((3,), float(at))}}, {"step": at})
        steps = at
    found = checkpoints.load()
    assert found is not None
    assert (found[1]["step"], found[0]["model"]["w"].tolist()) == (steps, [float(steps)] * 3)
    assert steps > 10


def test_fault_68_a_stale_handle_is_opened_anew(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    for _ in failing_once(errno.ESTALE):
        assert regular.read_json(tmp_path / "a.json") == [1]


def test_fault_68_a_disk_that_never_answers_is_an_error_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_errors, "LIMIT", 0.02)
    (tmp_path / "a.txt").write_text("before")
    tries = []

    def write(part: Path) -> None:
        tries.append(part)
        raise OSError(errno.ETIMEDOUT, "Connection timed out")

    with pytest.raises(ResourceError, match=r"a\.txt cannot be written: Connection timed out"):
        files.write_atomic(tmp_path / "a.txt", write)
    assert len(tries) > 2
    assert (tmp_path / "a.txt").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_other_errors_are_not_repeated() -> None:
    tries = []

    def work() -> None:
        tries.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        passing_errors.patiently(work)
    assert len(tries) == 1


def held_open(number: int) -> PermissionError:
    """The error of Windows for a file that another program has open."""
    error = PermissionError(errno.EACCES, "The process cannot access the file")
    error.winerror = number  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize("number", [5, 32, 33])
def test_fault_67_a_file_that_another_program_holds_open_is_replaced_once_it_lets_go(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, refusals = os.replace, [held_open(number), held_open(number)]

    def replaced(old: Path, new: Path) -> None:
        if refusals:
            raise refusals.pop()
        replace(old, new)

    monkeypatch.setattr(os, "replace", replaced)
    files.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_fault_67_a_file_that_is_never_let_go_is_told_and_keeps_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("old")
    monkeypatch.setattr(passing_errors, "LIMIT", 0.01)

    def refuse(old: Path, new: Path) -> None:
        raise held_open(32)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(ResourceError, match=r"a\.txt cannot be written"):
        files.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"


def test_fault_67_a_new_file_is_closed_before_it_is_renamed_where_open_ones_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, closed, renamed = os.replace, [], []
    close = os.close
    monkeypatch.setattr(swapping, "RENAMES_OPEN_FILES", False)
    monkeypatch.setattr(os, "close", lambda handle: (closed.append(handle), close(handle)))
    monkeypatch.setattr(os, "replace", lambda old, new: (renamed.append(len(closed)), replace(old, new)))
    files.write_text(tmp_path / "a.txt", "new")
    assert renamed[0] >= 1  # its handle was closed before
    assert (tmp_path / "a.txt").read_text() == "new"

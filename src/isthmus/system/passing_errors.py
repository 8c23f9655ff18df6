"""Temporary errors of disks: failed work is repeated for at most ten seconds."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from isthmus.errors import IsthmusError

T = TypeVar("T")
# A handle of a file that the server has replaced, a late answer, a name in use by another client.
PASSING = {errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.EINTR}
# Windows: access denied, a sharing violation, a lock. Virus scanners and indexers hold new files open.
HELD_OPEN = {5, 32, 33}
LIMIT = 10.0  # seconds: NFS clients cache attributes for 3 to 60 s, but opening a file asks the server again
PAUSE = 0.05  # seconds before the first repetition, doubled each time


def patiently(work: Callable[[], T]) -> T:
    """The result of `work`, which must be repeatable from its beginning.

    Raises: OSError, or an IsthmusError caused by one: temporary errors after ten seconds, all others at once.
    """
    end, pause = time.monotonic() + LIMIT, PAUSE
    while True:
        try:
            return work()
        except (OSError, IsthmusError) as error:
            if not _passes(error) or time.monotonic() + pause > end:
                raise
        time.sleep(pause)
        pause *= 2


def _passes(error: OSError | IsthmusError) -> bool:
    if isinstance(error, IsthmusError):  # its cause is also in __context__ after `from None`
        came_of = error.__cause__ or error.__context__
        return isinstance(came_of, OSError | IsthmusError) and _passes(came_of)
    return error.errno in PASSING or getattr(error, "winerror", None) in HELD_OPEN


__all__ = ["patiently"]

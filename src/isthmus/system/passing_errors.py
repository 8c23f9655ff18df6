"""Errors of disks that pass by themselves: what failed is done again, for ten seconds at most."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from isthmus.errors import IsthmusError

T = TypeVar("T")
# A handle to a file that the server has replaced, an answer that came too late, a name that another client holds.
PASSING = {errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.EINTR}
# Windows: access denied, a sharing violation, a lock. A scanner or an indexer that looks at a new file holds it open.
HELD_OPEN = {5, 32, 33}
LIMIT = 10.0  # seconds: attributes are kept for 3 to 60 s by clients of NFS, but a new open asks the server again
PAUSE = 0.05  # seconds before the first repetition, twice as long before each further one


def patiently(work: Callable[[], T]) -> T:
    """What `work` gives, which can be done again from its beginning.

    Raises: OSError, or an error in our words that came of one; of another kind at once, of these once ten seconds have
    passed.
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
    if isinstance(error, IsthmusError):  # what it came of stands there also where it is not to be shown
        came_of = error.__cause__ or error.__context__
        return isinstance(came_of, OSError | IsthmusError) and _passes(came_of)
    return error.errno in PASSING or getattr(error, "winerror", None) in HELD_OPEN


__all__ = ["patiently"]

"""A folder of a run held open while it is written into: a link put in its place meanwhile leads nowhere.

`places.guard` looks for links before a write; whoever may write into the run could put one in the place of
`checkpoint/` between that look and the write. So each folder from the run down to the one that is written into is
opened relative to the one above it, and never through a link (`openat` with `O_NOFOLLOW`), and the write goes through
what was opened. Linux shows an opened folder as `/proc/self/fd/N`, so that libraries that take names write there too.
Elsewhere, and where `/proc` is not mounted, writes go by name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Of Linux: only a place in the tree, for which nobody needs the right to list the folder.
FLAGS = getattr(os, "O_PATH", 0) | getattr(os, "O_DIRECTORY", 0)


@contextmanager
def anchored(folder: Path, run: Path | None) -> Iterator[Path]:
    """A name for `folder`, which lies in the run folder `run`, that means the same folder until the end.

    `run` itself may be reached through links: they are the user's own. Without `run` it is `folder` as it is.

    Raises: OSError where a link, or what is no folder, stands on the way from `run`.
    """
    if run is None or not hasattr(os, "O_PATH") or not folder.is_relative_to(run):
        yield folder
        return
    handle = _opened(folder, run)
    try:
        here = Path(f"/proc/self/fd/{handle}")
        yield here if here.is_dir() else folder
    finally:
        os.close(handle)


def _opened(folder: Path, run: Path) -> int:
    handle = os.open(run, FLAGS)
    for name in folder.relative_to(run).parts:
        above = handle
        try:
            handle = os.open(name, FLAGS | os.O_NOFOLLOW, dir_fd=above)
        finally:
            os.close(above)
    return handle


__all__ = ["anchored"]

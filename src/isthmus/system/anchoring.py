"""Holds a folder of a run open while it is written to, so that a link that replaces it meanwhile has no effect.

`places.guard` checks for links before a write, but somebody who can write to the run could replace `checkpoint/` with
a link between the check and the write. So each folder, from the run down to the one that is written to, is opened
relative to its parent and never through a link (`openat` with `O_NOFOLLOW`), and the write uses the opened folder.
Linux shows an opened folder as `/proc/self/fd/N`, so libraries that take names can also write there. On other systems,
and where `/proc` is not mounted, writes use the name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# On Linux, O_PATH needs no permission to list the folder.
FLAGS = getattr(os, "O_PATH", 0) | getattr(os, "O_DIRECTORY", 0)


@contextmanager
def anchored(folder: Path, run: Path | None) -> Iterator[Path]:
    """Yields a name for `folder`, in the run folder `run`, that refers to the same folder until the end of the block.

    The path to `run` may contain links, because they are the user's own. Without `run`, yields `folder` itself.

    Raises: OSError if the path from `run` contains a link, or something that is not a folder.
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

"""Errors for image files that could not be denoised: the reason and the fix for each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from isthmus.data.images.photograph import NOT_FINITE
from isthmus.data.images.pixels import reason
from isthmus.errors import DataError
from isthmus.wording import printable

MOVE_AWAY = "move these files out of the folder"
FILL = "fill these pixels, for example with np.nan_to_num"
COPY_AGAIN = "copy or export the file again"
SAVE_AGAIN = "save it as PNG or TIFF"


class Refused(NamedTuple):
    """Why a file was not denoised, phrased to follow its name, and the fix."""

    why: str
    fix: str


def not_done(bad: Mapping[Path, Refused], n_files: int, n_done: int, out: Path) -> DataError:
    """One error for all bad files, after `n_done` of `n_files` were written to `out`."""
    fix = next(iter(bad.values())).fix
    if n_files == 1:
        return DataError("DATA-FILE", f"{printable(next(iter(bad)))} {next(iter(bad.values())).why}.", fix=fix)
    were = "was" if n_done == 1 else "were"
    message = f"{len(bad):,} of {n_files:,} files could not be denoised; {n_done:,} {were} written to {printable(out)}."
    fix = fix if len({found.fix for found in bad.values()}) == 1 else f"{MOVE_AWAY}, or repair them"
    return DataError("DATA-FILE", message, fix=fix, problems=[f"{printable(p)} {of.why}" for p, of in bad.items()])


def refused(path: Path, error: Exception) -> Refused:
    """The reason and the fix for a file that failed with `error`."""
    if isinstance(error, DataError):  # for values that the model cannot take
        return Refused(f"does not fit: {error.message.rstrip('.')}", error.fix or MOVE_AWAY)
    why = reason(path, error)
    if larger := re.search(r"--max-pixels \d+", why):
        return Refused(why, f"pass {larger[0]}")
    fixes = {NOT_FINITE: FILL, "is damaged": COPY_AGAIN, "is empty": COPY_AGAIN}
    return Refused(why, next((fix for begin, fix in fixes.items() if why.startswith(begin)), SAVE_AGAIN))


__all__ = ["Refused", "not_done", "refused"]

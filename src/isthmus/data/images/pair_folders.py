"""Class folders whose names suggest that they are the two sides of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from isthmus.wording import printable, shell_word

# Names used by data sets of noisy and clean images (SIDD, PolyU, LOL, FMD and similar).
NOISY = ("noisy", "noise", "input", "inputs", "low", "real", "raw", "degraded", "lq", "grainy")
CLEAN = (
    "clean",
    "gt",
    "groundtruth",
    "ground_truth",
    "target",
    "targets",
    "high",
    "normal",
    "mean",
    "avg",
    "hq",
    "truth",
)


def note_on_pairs(root: Path, classes: Sequence[str]) -> tuple[str, ...]:
    """A sentence with the command to run, if there are exactly two sub-folders, named like noisy and clean images.

    >>> note_on_pairs(Path("shots"), ["clean", "noisy"])[0].partition(": ")[2]
    'isthmus train shots/noisy --target shots/clean --recipe photo'
    """
    by_name = {name.casefold(): name for name in classes}
    noisy = [by_name[name] for name in NOISY if name in by_name]
    clean = [by_name[name] for name in CLEAN if name in by_name]
    if len(classes) != 2 or len(noisy) != 1 or len(clean) != 1:
        return ()
    command = f"isthmus train {shell_word(root / noisy[0])} --target {shell_word(root / clean[0])} --recipe photo"
    names = f"{printable(noisy[0])} and {printable(clean[0])}"
    return (f"The sub-folders {names} are read as two classes; if they hold pairs, run: {command}",)


__all__ = ["note_on_pairs"]

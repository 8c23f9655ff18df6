"""Matches noisy images with clean ones by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

from isthmus.wording import counted, printable

SHOWN = 3  # names of clean images that are listed if several match


class Name(NamedTuple):
    """The parts of a file name that are compared: its folder, its stem, and the frame after a `#`.

    `shorter` is the stem without its last `_part`, empty if it has none.
    """

    folder: str
    stem: str
    shorter: str
    frame: str


class Matching(NamedTuple):
    """`rows` (N): the clean image of each noisy one, or None; `problems`: a sentence for each without exactly one."""

    rows: tuple[int | None, ...]
    problems: tuple[str, ...]


def parsed(name: str) -> Name:
    """The parts of a name that are compared.

    >>> parsed("day/a_1_real.JPG"), parsed("movie.tif#3").frame
    (Name(folder='day', stem='a_1_real', shorter='a_1', frame=''), '3')
    """
    path = PurePath(name)
    file, _, frame = path.name.partition("#")
    stem = PurePath(file).stem
    number = frame.lstrip("0") or "0" if frame else ""  # frames of a longer film have more leading zeros
    return Name(str(path.parent), stem, stem.rpartition("_")[0], number)


def match_names(noisy: Sequence[str], clean: Sequence[str]) -> Matching:
    """The clean image of each noisy one: with the same stem, or the same after removing the last `_part` from one of
    the two, or from both. The match that removes fewest parts wins. Folders must be equal too, unless no two are.

    >>> match_names(["a_1.png", "a_2.png", "x_real.JPG", "b.png"], ["a.png", "x_mean.JPG"]).rows
    (0, 0, 1, None)
    """
    known, wanted = [parsed(name) for name in clean], [parsed(name) for name in noisy]
    if not {name.folder for name in known} & {name.folder for name in wanted}:
        known, wanted = ([name._replace(folder="") for name in names] for names in (known, wanted))
    by_stem, by_shorter = _index(known, "stem"), _index(known, "shorter")
    rows: list[int | None] = []
    problems = []
    for text, name in zip(noisy, wanted, strict=True):
        found = _candidates(name, by_stem, by_shorter)
        rows.append(found[0] if len(found) == 1 else None)
        if len(found) != 1:
            problems.append(_problem(text, name, [clean[row] for row in found]))
    return Matching(tuple(rows), tuple(problems))


Index = dict[tuple[str, str, str], list[int]]


def _index(names: Sequence[Name], part: str) -> Index:
    """The rows of each folder, stem or shorter stem, and frame; names without a shorter stem are left out of that."""
    found: Index = defaultdict(list)
    for row, name in enumerate(names):
        if text := getattr(name, part):
            found[name.folder, text, name.frame].append(row)
    return found


def _candidates(name: Name, by_stem: Index, by_shorter: Index) -> list[int]:
    """The rows of clean images that the first rule with a match finds."""

    def rows(index: Index, text: str) -> list[int]:
        return index.get((name.folder, text, name.frame), []) if text else []

    return (
        rows(by_stem, name.stem)
        or rows(by_stem, name.shorter) + rows(by_shorter, name.stem)
        or rows(by_shorter, name.shorter)
    )


def _problem(text: str, name: Name, found: Sequence[str]) -> str:
    if not found:
        looked_for = " or ".join(filter(None, (name.stem, name.shorter)))
        return f"{printable(text)}: no clean image (looked for {printable(looked_for)})"
    named = ", ".join(printable(each) for each in found[:SHOWN]) + " …" * (len(found) > SHOWN)
    return f"{printable(text)}: {counted(len(found), 'clean image')} ({named})"

"""Lists the files under a folder that are read as images, in order, with the class of each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from isthmus.data.images.pixels import SUFFIXES
from isthmus.errors import ResourceError
from isthmus.system.naming import natural_key, text_of
from isthmus.system.swapping import PART
from isthmus.wording import counted, printable

LEFT_BY_SYSTEMS = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir"}  # in addition to dotfiles


class Listing(NamedTuple):
    """Files in natural order; `ids` are paths below the folder. Labels exist if it has class sub-folders."""

    files: tuple[Path, ...]
    ids: tuple[str, ...]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def list_files(root: Path) -> Listing:
    """Every file under `root` except those that systems leave behind (dotfiles, Thumbs.db).

    The first sub-folder is the class, however deeply a file is nested; with only one sub-folder, or with images next
    to the sub-folders, there are no labels. A link back to a folder above is not followed.

    Raises: ResourceError for a folder without read permission.
    """
    notes: list[str] = []
    hidden: list[Path] = []
    below = sorted(_walk(root, Path(), (_identity(root),), notes, hidden), key=_path_key)
    if hidden:
        count = counted(len(hidden), "image")
        notes.append(
            f"{count} with a hidden name left out, e.g. {printable(min(hidden))}; rename hidden images to read them."
        )
    heads = [path.parts[0] if len(path.parts) > 1 else "" for path in below]
    classes = tuple(dict.fromkeys(head for head in heads if head))
    labels = None
    beside = [path for path, head in zip(below, heads, strict=True) if not head and path.suffix.lower() in SUFFIXES]
    if len(classes) > 1 and not beside:
        index = {name: i for i, name in enumerate(classes)}
        labels = np.array([index.get(head, -1) for head in heads], dtype=np.int64)  # -1: not an image, not kept
    elif len(classes) > 1:
        notes.append(
            f"{counted(len(beside), 'image')} found next to the sub-folders, so these are not used as classes."
        )
    deepest = max((len(path.parts) for path in below), default=1)
    if deepest > 2:
        what = "the first sub-folder is the class" if labels is not None else "all are read"
        notes.append(f"Files are nested up to {deepest - 1} folders deep; {what}.")
    notes += _differing_by_case(below)
    return Listing(
        files=tuple(root / path for path in below),
        ids=tuple(map(text_of, below)),
        labels=labels,
        classes=tuple(text_of(Path(name)) for name in classes) if labels is not None else (),
        notes=tuple(notes),
    )


def is_left_by_system(name: str) -> bool:
    """Whether a file is a dotfile, Thumbs.db or similar, which is never data."""
    return name.startswith(".") or name.casefold() in LEFT_BY_SYSTEMS


def is_hidden_image(name: str) -> bool:
    """Whether a dotfile may be meant as data; `._1.png` is what macOS leaves next to `1.png`."""
    return name.startswith(".") and not name.startswith(("._", PART)) and Path(name).suffix.lower() in SUFFIXES


def _walk(
    root: Path, below: Path, above: tuple[tuple[int, int], ...], notes: list[str], hidden: list[Path]
) -> Iterator[Path]:
    """Paths below root; `above` identifies the parent folders, to detect loops. Images that are left out because of
    their names are added to `hidden`."""
    try:
        entries = list(os.scandir(root / below))
    except PermissionError:
        message = f"the folder {printable(root / below)} cannot be read: permission denied."
        raise ResourceError("RESOURCE-PERMISSION", message, fix="give yourself read permission") from None
    for entry in entries:
        if is_left_by_system(entry.name):
            hidden += [below / entry.name] if is_hidden_image(entry.name) else []
            continue
        path = below / entry.name
        if not _is_folder(entry):
            yield path
        elif (here := _identity(root / path)) in above:
            notes.append(f"The link {printable(path)} points back to a folder above it and is not followed.")
        else:
            yield from _walk(root, path, (*above, here), notes, hidden)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points to itself; reported later with the files that cannot be read
        return False


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _path_key(path: Path) -> list[tuple[tuple[str | int, ...], str]]:
    return [natural_key(part) for part in path.parts]


def _differing_by_case(paths: list[Path]) -> list[str]:
    """Names that are equal on Windows and macOS: often the same image twice, and one of them is lost when copied."""
    folded = Counter(str(path).casefold() for path in paths)
    twins = [printable(path) for path in paths if folded[str(path).casefold()] > 1]
    return (
        [f"{len(twins):,} file names differ only in upper and lower case, e.g. {twins[0]}, {twins[1]}."]
        if twins
        else []
    )

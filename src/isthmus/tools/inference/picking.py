"""Samples selected by a short text: `a.png`, `mnist-2k:12`, `mnist-2k:row=12`, `photos/:0-9`, `table.csv:label=oak`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.data.named.catalog import name_of
from isthmus.data.named.hub import PREFIX
from isthmus.data.samples import Samples
from isthmus.errors import DataError, UsageError, unknown
from isthmus.runs.folder import RunFolder
from isthmus.tools.inference.intake import read_input
from isthmus.wording import counted, printable

CHOICE = re.compile(r"(?P<source>.+?):(?P<choice>label=.+|(row=)?\s*-?\d[\d\s,-]*)", re.DOTALL)
RANGE = re.compile(r"\s*(\d{1,12})\s*(?:-\s*(\d{1,12})\s*)?")
HOW = "write SOURCE:row=12, SOURCE:0-9,30 or SOURCE:label=NAME"


def pick(run: RunFolder, text: str | Path, settings: Mapping[str, Any] | None = None) -> Samples:
    """The samples that `text` names, in the form that the run's model takes.

    SOURCE is anything that can be read. SOURCE:0-9,30 or SOURCE:row=0-9,30 selects rows, counted from 0 in reading
    order; SOURCE:label=NAME selects one class. An existing path is never split.

    Raises: DataError for a row or class that does not exist; UsageError for a selection that cannot be parsed.
    """
    source, choice = parted(text)
    samples = read_input(run, source, settings)
    return samples if choice is None else samples.take(rows_of(choice, samples))


def pick_one(run: RunFolder, text: str, settings: Mapping[str, Any] | None = None) -> Samples:
    """The single sample that `text` names; for SOURCE:label=NAME the first one, and a note says so.

    Raises: like `pick`; UsageError if several rows are named.
    """
    samples = pick(run, text, settings)
    if len(samples) > 1 and (parted(text)[1] or "").startswith("label="):
        first = samples.take(np.arange(1))
        name = first.id_of(0)
        which = f"row {name}" if name.isdecimal() else name
        note = f"{printable(text)}: {which}, the first of {counted(len(samples), 'sample')} of this class."
        return replace(first, notes=(*samples.notes, note))
    if len(samples) != 1:
        message = f"{printable(text)} selects {len(samples):,} samples; exactly one is needed here."
        raise UsageError("USAGE-PICK", message, fix=f"select one row, such as {printable(parted(text)[0])}:row=0")
    return samples


def refuse_picked(source: str | Path) -> None:
    """Raises: UsageError for selected rows of a series, which may not be consecutive."""
    name, choice = parted(source)
    if choice is not None:
        message = f"{printable(source)} selects rows of a series, but each row needs the rows before and after it."
        raise UsageError("USAGE-PICK", message, fix=f"use the whole series: {printable(name)}")


def is_own(run: RunFolder, text: str | Path) -> bool:
    """Whether the samples that `text` names are from the data that the run was trained on."""
    source, own = parted(text)[0], run.config.data.source
    return source == own or (_is_path(source) and Path(source).expanduser().resolve() == Path(own).resolve())


def parted(text: str | Path) -> tuple[str, str | None]:
    """`"mnist-2k:12"` -> `("mnist-2k", "12")`; a path or the name of a data set stays whole.

    Names may contain colons: the source is the longest part before a colon that is a path or a name. If there is none,
    the rest must look like a selection, so that a missing `C:\\t.csv` is reported as it was typed.
    """
    text = str(text)
    colons = [i for i in range(len(text), 0, -1) if text[i : i + 1] in {":", ""}]
    for end in colons:
        if _is_path(text[:end]) or name_of(text[:end]) is not None:
            return text[:end], text[end + 1 :].strip() if end < len(text) else None
    found = CHOICE.fullmatch(text)
    if found is not None and f"{found['source']}:" == PREFIX:  # hub:2024 is a name
        found = None
    return (text, None) if found is None else (found["source"], found["choice"].strip())


def rows_of(choice: str, samples: Samples) -> np.ndarray:
    """The row numbers that `"0-9,30"` or `"label=NAME"` selects, in the given order."""
    if choice.startswith("label="):
        return _rows_of_class(choice.removeprefix("label="), samples)
    choice = choice.removeprefix("row=").strip()
    if choice.startswith("-"):
        message = f"{samples.name} has no row {printable(choice)}: rows are counted from 0."
        raise DataError("DATA-ROW", message, fix=f"choose rows from 0 to {len(samples) - 1}")
    spans = [RANGE.fullmatch(part) for part in choice.split(",")]
    if None in spans:
        raise UsageError("USAGE-PICK", f"{choice!r} does not select rows of {samples.name}.", fix=HOW)
    ends = [(int(span[1]), int(span[2] or span[1])) for span in spans if span is not None]
    if backward := next((span for span in ends if span[1] < span[0]), None):
        message = f"the range {backward[0]}-{backward[1]} of {samples.name} ends before it begins."
        raise DataError("DATA-ROW", message, fix=f"write the smaller number first: {backward[1]}-{backward[0]}")
    if any(last >= len(samples) for _, last in ends):
        message = f"{samples.name} has {counted(len(samples), 'sample')}, counted from 0, so {choice} is out of range."
        raise DataError("DATA-ROW", message, fix=f"choose rows from 0 to {len(samples) - 1}")
    return np.concatenate([np.arange(first, last + 1) for first, last in ends])


def _rows_of_class(name: str, samples: Samples) -> np.ndarray:
    if samples.labels is None or not samples.classes:
        message = f"{samples.name} has no labels, so no class can be selected."
        raise DataError(
            "DATA-LABEL", message, fix="name the label column with --label, or choose rows, such as SOURCE:0-9"
        )
    if name not in samples.classes:
        raise unknown("class", name, samples.classes)
    rows = np.flatnonzero(samples.labels == samples.classes.index(name))
    if not len(rows):
        raise DataError("DATA-ROW", f"{samples.name} has no samples of class {name!r}.", fix="choose another class")
    return rows


def _is_path(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, ValueError):  # the name is too long, or contains NUL
        return False


__all__ = ["is_own", "pick", "pick_one", "refuse_picked"]

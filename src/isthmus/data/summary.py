"""A summary of a set of samples: range, classes, constant values, duplicates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from isthmus.data.hashing import Matches
from isthmus.data.numeric import blocks
from isthmus.data.samples import Samples
from isthmus.wording import FROM_ZERO, counted, listed, printable

LISTED = 10  # names shown individually


@dataclass(frozen=True)
class Summary:
    """One part of the data. `shape` is that of one sample; `n_constant` counts the values equal in all samples.

    `blank` are samples whose values are all equal. `duplicates` holds pairs of row numbers. `kinds` is the number of
    columns of each kind in a table with a schema, whose values have no common unit.
    """

    name: str
    n: int
    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    mean: float
    classes: dict[str, int]
    n_constant: int
    constant: tuple[str, ...]
    blank: tuple[str, ...]
    n_blank: int
    duplicates: Matches
    pairs: tuple[tuple[str, str], ...]
    alpha: bool = False
    kinds: tuple[tuple[str, int], ...] = ()

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    def as_dict(self) -> dict[str, Any]:
        """As plain values, with ids instead of row numbers."""
        return {
            "name": self.name,
            "n": self.n,
            "kind": "images" if self.is_image else "table",
            "shape": list(self.shape),
            "dtype": self.dtype,
            "range": [self.low, self.high],
            "mean": self.mean,
            "classes": self.classes,
            "constant": {"count": self.n_constant, "columns": list(self.constant)},
            "blank": {"count": self.n_blank, "ids": list(self.blank)},
            "duplicates": {"count": self.duplicates.count, "pairs": [list(pair) for pair in self.pairs]},
        }


def facts_of(samples: Samples) -> Summary:
    """Computes the summary block by block, so that a memory-mapped set is never entirely in memory."""
    lows, highs, total, n_values = None, None, 0.0, 0
    flat_rows = []
    for at, part in _numbered(samples.x):
        rows = part.reshape(len(part), -1)
        low, high = np.fmin.reduce(rows), np.fmax.reduce(rows)  # both ignore the gaps (NaN) of a table
        lows = low if lows is None else np.fmin(lows, low)
        highs = high if highs is None else np.fmax(highs, high)
        total += float(np.nansum(rows, dtype=np.float64))
        n_values += rows.size - int(np.isnan(rows).sum()) if rows.dtype.kind == "f" else rows.size
        flat_rows.append(at + np.flatnonzero(rows.min(1) == rows.max(1)))
    assert lows is not None
    assert highs is not None
    constant = np.flatnonzero(lows == highs)
    blank = np.concatenate(flat_rows) if lows.size > 1 else np.array([], dtype=np.int64)
    duplicates = samples.duplicates
    return Summary(
        name=samples.name,
        n=len(samples),
        shape=samples.shape,
        dtype=str(samples.x.dtype),
        low=float(np.nanmin(lows)),
        high=float(np.nanmax(highs)),
        mean=total / max(n_values, 1),
        classes=_class_counts(samples),
        n_constant=len(constant),
        constant=() if samples.is_image else tuple(_column(samples, int(i)) for i in constant[:LISTED]),
        blank=tuple(samples.id_of(int(row)) for row in blank[:LISTED]),
        n_blank=len(blank),
        duplicates=duplicates,
        alpha=samples.alpha,
        kinds=() if samples.schema is None else tuple(Counter(c.kind for c in samples.schema.modeled).items()),
        pairs=tuple((samples.id_of(a), samples.id_of(b)) for a, b in duplicates.pairs),
    )


def rows_about(facts: Summary) -> list[tuple[str, str]]:
    """Pairs of a title and a sentence, for a printed table."""
    unit = "pixels" if facts.is_image else "columns"
    size = int(np.prod(facts.shape))
    rows = [
        ("samples", _form(facts)),
        _values(facts),
        ("labels", _labels(facts.classes)),
        ("duplicates", pairs_text(facts.duplicates.count, facts.n, facts.pairs, "identical to an earlier one")),
    ]
    if facts.n > 1:  # with one sample, every value is constant
        rows.append((f"constant {unit}", f"{facts.n_constant:,} of {size:,} never change{_named(facts.constant)}"))
    if facts.n_blank and not facts.kinds:  # in columns of several units, equal numbers mean nothing
        rows.append(
            ("blank samples", f"{facts.n_blank:,} with only one value{_named(facts.blank)}{from_zero(facts.blank)}")
        )
    return rows


def _form(facts: Summary) -> str:
    if not facts.is_image:
        return f"{counted(facts.n, 'row')} of {counted(facts.shape[0], 'column')}"
    C, H, W = facts.shape
    colors = {1: "gray", 3: "RGB"}.get(C - facts.alpha, f"{C - facts.alpha}-channel") + " with alpha" * facts.alpha
    return f"{counted(facts.n, f'{colors} image')} of {H} x {W} pixels"


def _values(facts: Summary) -> tuple[str, str]:
    """The range of all values, or the kinds of columns that share no unit."""
    if facts.kinds:
        return "kinds", ", ".join(f"{n:,} {kind}" for kind, n in facts.kinds)
    return "values", f"{facts.dtype}, from {facts.low:g} to {facts.high:g}, mean {facts.mean:.4g}"


def _labels(classes: dict[str, int]) -> str:
    if not classes:
        return "none"
    sizes = [f"{printable(name)} ({n:,})" for name, n in classes.items()]
    return f"{len(classes):,} classes: {listed(sizes, LISTED, quote='')}"


def pairs_text(count: int, n: int, pairs: tuple[tuple[str, str], ...], what: str) -> str:
    if not count:
        return "none"
    equal = ", ".join(f"{printable(b)} = {printable(a)}" for a, b in pairs)
    return f"{count:,} of {n:,} {what}: {equal}{' …' if count > len(pairs) else ''}{from_zero(sum(pairs, ()))}"


def from_zero(ids: tuple[str, ...]) -> str:
    """How row numbers are counted, in parentheses; "" for names."""
    return f" ({FROM_ZERO})" if ids and all(name.isdecimal() for name in ids) else ""


def _named(names: tuple[str, ...]) -> str:
    return f": {', '.join(map(printable, names))}" if names else ""


def _class_counts(samples: Samples) -> dict[str, int]:
    if samples.labels is None:
        return {}
    counts = np.bincount(samples.labels, minlength=len(samples.classes))
    return {samples.classes[i] if i < len(samples.classes) else str(i): int(n) for i, n in enumerate(counts)}


def _column(samples: Samples, place: int) -> str:
    return samples.columns[place] if samples.columns else f"column {place}"


def _numbered(x: np.ndarray):
    at = 0
    for part in blocks(x):
        yield at, part
        at += len(part)

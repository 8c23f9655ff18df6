"""Finds duplicates and near-duplicates in a data set by a run's codes, including those between training and test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from isthmus.evaluation.figures import neighbor_sheets
from isthmus.runs.folder import RunFolder
from isthmus.system.progress import tell
from isthmus.tools.exploration.encoded_samples import Coded, all_parts, coded, joined, picture_of
from isthmus.tools.exploration.near_pairs import CHANCE, NearPair, find_pairs
from isthmus.wording import counted


@dataclass(frozen=True)
class Duplicates:
    """`pairs` of samples of `data`; `part` (N,) is the index into `parts` for each sample."""

    data: Coded
    pairs: tuple[NearPair, ...]
    parts: tuple[str, ...]
    part: np.ndarray

    @property
    def crossing(self) -> int:
        """The number of pairs across different parts, such as a test sample with a copy in the training data."""
        return sum(self.part[pair.first] != self.part[pair.second] for pair in self.pairs)

    def columns(self) -> dict[str, Any]:
        """`first` and `second` id with their parts and labels, the distances, and whether they are equal."""
        s, pairs = self.data.samples, self.pairs
        table: dict[str, Any] = {}
        for end in ("first", "second"):
            rows = [getattr(pair, end) for pair in pairs]
            table[end] = [s.id_of(row) for row in rows]
            table[f"{end}_part"] = [self.parts[self.part[row]] for row in rows]
            if s.labels is not None:
                table[f"{end}_label"] = [self.data.label(row) or "" for row in rows]
        numbers = {"code_distance": [p.code for p in pairs], "rms_difference": [p.raw for p in pairs]}
        return table | numbers | {"chance": [p.chance for p in pairs], "exact": [p.is_exact for p in pairs]}

    def as_dict(self) -> dict[str, Any]:
        table = self.columns()
        exact = sum(pair.is_exact for pair in self.pairs)
        return {
            "n": len(self.data),
            "exact": exact,
            "near": len(self.pairs) - exact,
            "crossing": self.crossing,
            "pairs": [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)],
            "said": list(self.data.samples.notes),
        }

    def draw(self) -> Figure:
        """The pairs side by side, near-duplicates first, because exact copies show little."""
        s = self.data.samples
        seen = sorted(self.pairs, key=lambda pair: pair.is_exact)[: neighbor_sheets.ACROSS * neighbor_sheets.PAIR_ROWS]
        first, second = ([getattr(pair, end) for pair in seen] for end in ("first", "second"))
        x = picture_of(s, [*first, *second], self.data.preprocess)
        ids = [(self._id(a), self._id(b)) for a, b in zip(first, second, strict=True)]
        return neighbor_sheets.pairs(x[: len(seen)], x[len(seen) :], ids, [pair.raw for pair in seen])

    def _id(self, row: int) -> str:
        part = f"{self.parts[self.part[row]]} " if len(self.parts) > 1 else ""
        return part + self.data.samples.id_of(row)


def find_duplicates(
    run: RunFolder,
    source: Any = None,
    *,
    chance: float = CHANCE,
    settings: Mapping[str, Any] | None = None,
) -> Duplicates:
    """All pairs of samples that are equal, or closer to each other than chance explains; see `near_pairs.find_pairs`.

    The samples are those of `source`, or by default the training, validation and test data of the run.

    Raises: DataError if the data cannot be read or does not fit the model.
    """
    parts = all_parts(run, source, settings)
    data = coded(run, joined(list(parts.values())))
    tell(f"comparing {counted(len(data.z), 'sample')} with each other")
    pairs = [pair._replace(raw=float(data.rms(pair.raw))) for pair in find_pairs(data.z, data.x, chance=chance)]
    part = np.repeat(np.arange(len(parts)), [len(samples) for samples in parts.values()])
    return Duplicates(data, tuple(pairs), tuple(parts), part)


__all__ = ["Duplicates", "find_duplicates"]

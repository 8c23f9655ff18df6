"""Finds the nearest neighbors of samples in a run's code, and in the raw values for comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from isthmus.data.samples import Samples
from isthmus.evaluation.figures import neighbor_sheets
from isthmus.evaluation.metrics.nearest import Nearest, nearest
from isthmus.runs.folder import RunFolder
from isthmus.system.progress import tell
from isthmus.tools.exploration.encoded_samples import Coded, coded, one_set, picked, picture_of, title, value_name
from isthmus.tools.inference.picking import is_own, parted
from isthmus.wording import counted, three_digits

K = 10  # as many as fit in a row of the picture


@dataclass(frozen=True)
class NeighborLookup:
    """The samples of `data` nearest to each of `queries`: `code` by the code, `raw` by the raw values.

    Distances are Euclidean in the code, and root mean square differences in the raw values (for images in [0, 1]; for
    table columns in units of their standard deviations).
    """

    queries: Samples
    data: Coded
    code: Nearest
    raw: Nearest

    def columns(self) -> dict[str, Any]:
        """`query`, `space` (code or raw), `rank` from 1, `id`, `label` if known, `distance`; for a table also the
        values of the rows that were found. A data column with one of these names becomes "NAME (value)".
        """
        table: dict[str, list[Any]] = {key: [] for key in ("query", "space", "rank", "id", "label", "distance")}
        found_rows: list[int] = []
        for q in range(len(self.queries)):
            for space in ("code", "raw"):
                found: Nearest = getattr(self, space)
                for rank, (row, distance) in enumerate(zip(found.rows[q], found.distances[q], strict=True), 1):
                    label, name = self.data.label(row) or "", self.data.samples.id_of(int(row))
                    values = (self.queries.id_of(q), space, rank, name, label, float(distance))
                    found_rows.append(int(row))
                    for key, value in zip(table, values, strict=True):
                        table[key].append(value)
        known = table if self.data.samples.labels is not None else {k: v for k, v in table.items() if k != "label"}
        cells = self.cells(self.data.samples, found_rows)
        return known | {value_name(name, known): values for name, values in cells.items()}

    def as_dict(self) -> dict[str, Any]:
        table = self.columns()
        rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
        said = [*self.queries.notes, *self.data.samples.notes]
        about = {"n": len(self.queries), "in": self.data.samples.name, "neighbors": rows, "said": said}
        cells = self.cells(self.queries, range(len(self.queries)))
        given = [dict(zip(cells, values, strict=True)) for values in zip(*cells.values(), strict=True)]
        return about | ({"queries": given} if given else {})

    def cells(self, samples: Samples, rows: Sequence[int]) -> dict[str, list[Any]]:
        """The values of table rows by column; none for images and for windows of a series."""
        known = self.data.preprocess
        if samples.is_image or known.series is not None:
            return {}
        columns = known.cells(np.asarray(samples.x[np.array(rows, dtype=np.int64)]), made=False)
        return {
            name: values.tolist() if hasattr(values, "tolist") else list(values) for name, values in columns.items()
        }

    def draw(self, query: int = 0) -> Figure:
        """The sheet of one query: one block of neighbors by the code, one by the pixels."""
        blocks, known = [], self.data.preprocess
        for space, head in (
            ("code", "nearest in the code, with the distance"),
            ("raw", "nearest in the pixels, with the RMS difference"),
        ):
            found: Nearest = getattr(self, space)
            rows, distances = found.rows[query], found.distances[query]
            names = [title(self.data.samples, int(row)) for row in rows]
            blocks.append(
                (head, picture_of(self.data.samples, rows, known), names, [three_digits(float(d)) for d in distances])
            )
        return neighbor_sheets.neighbors(
            picture_of(self.queries, [query], known)[0], title(self.queries, query), blocks
        )


def look_up(
    run: RunFolder, wanted: Any, source: Any = None, *, k: int = K, settings: Mapping[str, Any] | None = None
) -> NeighborLookup:
    """The `k` samples of `source` nearest to each sample of `wanted` (a path, SOURCE:12, or an object).

    By default, the run's own training data is searched. If both come from the same source, a sample is not its own
    neighbor; an equal sample in another row is.

    Raises: DataError or UsageError if a sample does not exist or does not fit the model.
    """
    queries = coded(run, picked(run, wanted, settings))
    data = coded(run, one_set(run, source, settings, part="train"))
    itself = _own_rows(queries.samples, data.samples) if _same_source(run, wanted, source) else None
    tell(f"finding the nearest of {counted(len(data.z), 'sample')}")
    code = nearest(queries.z, data.z, k, leave_out=itself)
    raw = nearest(queries.x, data.x, k, leave_out=itself)
    return NeighborLookup(queries.samples, data, code, raw._replace(distances=data.rms(raw.distances)))


def _same_source(run: RunFolder, wanted: Any, source: Any) -> bool:
    """Whether both come from the same source, so that a sample could be found as its own neighbor."""
    if not isinstance(wanted, str | Path):
        return wanted is source
    if source is None:
        return is_own(run, wanted)
    return isinstance(source, str | Path) and parted(wanted)[0] == parted(source)[0]


def _own_rows(queries: Samples, data: Samples) -> np.ndarray:
    place = {data.id_of(i): i for i in range(len(data))}
    rows = np.array([place.get(queries.id_of(i), -1) for i in range(len(queries))])
    # row numbers of a test part may start at 0 again
    equal = [np.array_equal(queries.x[i], data.x[row], equal_nan=True) for i, row in enumerate(rows)]
    return np.where(equal, rows, -1)


__all__ = ["NeighborLookup", "look_up"]

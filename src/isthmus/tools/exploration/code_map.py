"""A map of a run's codes: the position of every sample in two dimensions, as a picture and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.samples import Samples
from isthmus.data.schema import OTHER, Schema, TableColumn
from isthmus.data.tables.cell_conversion import to_cells, to_texts
from isthmus.errors import UsageError, unknown
from isthmus.evaluation.figures import maps
from isthmus.runs.folder import RunFolder
from isthmus.system.progress import tell
from isthmus.tools.exploration.encoded_samples import all_parts, coded, joined, one_set, picture_of, thinned, value_name
from isthmus.tools.exploration.projection import project, refuse_method
from isthmus.wording import counted

MOST = 10_000  # samples: all of MNIST's test set; t-SNE takes about a minute, and a picture has no room for more
SMALL = 100  # test samples: a map of fewer shows little of the distribution of the codes
PLAIN, LABEL = "none", "label"  # in addition to the names of columns
NAMED = {"category", "yes-no"}


@dataclass(frozen=True)
class CodeMap:
    """`points` (N, 2) of samples by `method`; `color` is "label", "none" or the column that colors them."""

    samples: Samples
    points: np.ndarray
    method: str
    sentence: str
    color: str
    preprocess: Preprocess

    def columns(self) -> dict[str, Any]:
        """`id`, `label` where known, `x`, `y`, and the values of the column that colors the map."""
        s = self.samples
        table: dict[str, Any] = {"id": s.all_ids()}
        if s.labels is not None:
            table["label"] = s.all_labels()
        table |= {"x": self.points[:, 0], "y": self.points[:, 1]}
        if self.color in {PLAIN, LABEL}:
            return table
        return table | {value_name(self.color, table): written_column(s, self.color)}

    def as_dict(self) -> dict[str, Any]:
        points = {k: v.tolist() if isinstance(v, np.ndarray) else list(v) for k, v in self.columns().items()}
        about = {"n": len(self.samples), "method": self.method, "about": self.sentence, "color": self.color}
        return about | {"said": list(self.samples.notes), "points": points}

    def draw(self) -> Figure:
        """Small pictures for images; points for rows of a table, or if a column sets the color."""
        s = self.samples
        if self.color not in {PLAIN, LABEL}:
            return self._by_column()
        groups, names = (s.labels, s.classes) if self.color == LABEL and s.labels is not None else (None, ())
        if not s.is_image:
            return maps.dots(self.points, groups, names, self.sentence)
        return maps.thumbnails(self.points, picture_of(s, slice(None), self.preprocess), groups, names, self.sentence)

    def _by_column(self) -> Figure:
        """Points colored by the names, numbers or times in a column."""
        values, column = column_of(self.samples, self.color), kind_of(self.samples, self.color)
        if column is not None and column.kind in NAMED:
            groups = np.where(np.isnan(values), -1, values).astype(np.int64)
            names = column.levels if column.kind == "yes-no" else (*column.levels, OTHER)
            return maps.dots(self.points, groups, names, self.sentence, "missing")
        as_cell = column is not None and column.kind in {"time", "count"}
        written = (lambda value: to_texts(np.array([value]), column)[0]) if as_cell and column else None
        return maps.gradient(self.points, values, self.color, self.sentence, written)


def map_codes(
    run: RunFolder, source: Any = None, *, method: str = "tsne", color: str | None = None,
    limit: int = MOST, settings: Mapping[str, Any] | None = None,
) -> CodeMap:  # fmt: skip
    """The codes of `source`, or of the run's own test data, in two dimensions.

    `color`: "label" (the default if there are labels), "none", or a column of a table. At most `limit` samples are
    used, balanced over the classes.

    Raises: UsageError for an unknown method or column; DataError if the data does not fit the model.
    """
    refuse_method(method)
    samples = one_set(run, source, settings)
    color = _color(samples, color)
    if source is None and len(samples) < SMALL:
        samples = _all_rows(run, samples)
    samples = thinned(samples, limit, run.config.training.seed, "map")
    tell(f"computing a {method} map of {counted(len(samples), 'code')}")
    found = project(coded(run, samples).z, method, seed=run.config.training.seed)
    return CodeMap(samples, found.points, method, found.sentence, color, run.model.preprocess)


def _all_rows(run: RunFolder, test: Samples) -> Samples:
    """Training, validation and test samples together if there are few, because a few test samples make no map."""
    parts = list(all_parts(run, None).values())
    n = sum(map(len, parts))
    if n > MOST or test.is_streamed or test.windows is not None:  # windows that share rows would overlap
        note = f"the map shows only {counted(len(test), 'test sample')}; name the data to draw more"
        return replace(test, notes=(*test.notes, note))
    note = f"training and validation samples are used too, {n:,} in all, because the test set has only {len(test):,}"
    return replace(joined(parts), owner=None, x_in=None, notes=(*test.notes, note))


def column_of(samples: Samples, name: str) -> np.ndarray:
    """The values (N,) of a column. Raises: UsageError with the most similar name."""
    columns = samples.columns or ()
    if name not in columns:
        raise unknown("color", name, [*columns, PLAIN, *([LABEL] if samples.labels is not None else [])])
    return samples.x.reshape(len(samples), -1)[:, columns.index(name)].astype(float)


def kind_of(samples: Samples, name: str) -> TableColumn | None:
    """The description of a column, if the columns of the table are of several kinds."""
    modeled = () if samples.schema is None or samples.windows is not None else samples.schema.modeled
    return next((column for column in modeled if column.name == name), None)


def written_column(samples: Samples, name: str) -> Any:
    """The values of a column as they are in the table."""
    values, column = column_of(samples, name), kind_of(samples, name)
    return values if column is None else to_cells(values[:, None], Schema((column,)))[name]


def _color(samples: Samples, color: str | None) -> str:
    if color is None:
        return PLAIN if samples.labels is None else LABEL
    if color == LABEL and samples.labels is None and LABEL not in (samples.columns or ()):
        fix = "name the label column with --label COLUMN, or pass --color none"
        raise UsageError("USAGE-COLOR", f"{samples.name} has no labels to color the map by.", fix=fix)
    if color not in {PLAIN, LABEL}:
        column_of(samples, color)
    return color


__all__ = ["CodeMap", "map_codes"]

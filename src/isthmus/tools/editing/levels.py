"""Values of categories as features: `product=tea` leads from the codes of all other products to those of tea."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from isthmus.data.schema import TableColumn
from isthmus.errors import UsageError
from isthmus.runs.folder import RunFolder
from isthmus.tools.editing.features import Feature, Group, between
from isthmus.wording import counted, listed, shell_word

NAMED = {"category", "yes-no"}


class ColumnLevel(NamedTuple):
    """One value of a column of categories: `at` is the index of the column, `place` the raw number of the value."""

    column: TableColumn
    at: int
    place: int

    @property
    def name(self) -> str:
        return f"{self.column.name}={self.column.levels[self.place]}"

    def rows(self, x: np.ndarray) -> np.ndarray:
        """Whether each raw row of x (N, K) has the value, (N,) bool."""
        return x[:, self.at] == self.place


def levels_of(run: RunFolder) -> dict[str, ColumnLevel]:
    """Every value of every column of categories or of yes and no, as `COLUMN=VALUE`; none for other data."""
    schema = run.model.preprocess.schema
    found = [] if schema is None else [
        ColumnLevel(column, k, place)
        for k, column in enumerate(schema.modeled) if column.kind in NAMED for place in range(len(column.levels))
    ]  # fmt: skip
    return {level.name: level for level in found}


def refuse_columns_of_names(run: RunFolder, name: str) -> None:
    """Raises: UsageError for a column of categories or of yes and no, which has no larger or smaller values."""
    schema = run.model.preprocess.schema
    column = next((c for c in schema.modeled if c.name == name), None) if schema else None
    if column is not None and column.kind in NAMED:
        message = (
            f"column {name!r} holds no numbers but {listed(column.levels)}, so it cannot itself be added or removed."
        )
        fix = f"add or remove one of its values instead, such as {shell_word(f'{name}={column.levels[0]}')}"
        raise UsageError("USAGE-FEATURE", message, fix=fix)


def of_level(run: RunFolder, level: ColumnLevel, method: str) -> Feature:
    """From the training codes with another value to those with this one, like from one class to another.

    Raises: DataError if fewer than two rows have this value or another one, or the run's data cannot be read;
    UsageError for an unknown method.
    """
    latent = run.latent
    x = run.prepared.splits.train.take(latent.rows).x
    there, gaps = level.rows(x), np.isnan(x[:, level.at])
    without = Group.of(f"other values of {level.column.name}", latent.codes[~there & ~gaps])
    feature = between(without, Group.of(level.name, latent.codes[there]), method)
    evidence = {**feature.evidence, "level": level.name}
    return replace(feature, name=level.name, evidence=evidence)


def turned(level: ColumnLevel, before: np.ndarray, after: np.ndarray) -> str:
    """A sentence on how many of the decoded rows (N, K) have the value, before and after the edit."""
    counts = [int(level.rows(np.asarray(x)).sum()) for x in (before, after)]
    return f"{level.name}: {counts[0]:,} of {counted(len(after), 'row')} before, {counts[1]:,} after"


__all__ = ["ColumnLevel", "levels_of", "of_level", "refuse_columns_of_names", "turned"]

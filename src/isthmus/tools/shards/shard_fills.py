"""What `isthmus impute` filled in many shards: for each shard, and for all together with how certain the values are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.runs.fill_errors import FillError
from isthmus.runs.folder import RunFolder
from isthmus.tools.inference.imputation import NAMED, errors_of, filled_schema, sentences


@dataclass(frozen=True)
class ShardFills:
    """`columns`, `errors` and `spreads` as in `Imputed`, for all shards; `by_shard` are the counts and spreads of each.

    The spread of all shards is that of their cells together: a root mean square; for names, a mean.
    """

    columns: dict[str, int]
    errors: dict[str, FillError]
    spreads: dict[str, float]
    by_shard: dict[str, dict[str, Any]]
    certainty: tuple[str, ...]

    @classmethod
    def of(cls, run: RunFolder, by_shard: Mapping[str, Mapping[str, Any]]) -> ShardFills:
        """From `{"filled": …, "spread": …}` of each shard."""
        schema, shards = filled_schema(run), {name: dict(about) for name, about in by_shard.items()}
        counts = {c.name: sum(about["filled"].get(c.name, 0) for about in shards.values()) for c in schema.modeled}
        counts = {name: n for name, n in counts.items() if n}
        kinds = {column.name: column.kind for column in schema.modeled}
        spreads = {name: spread for name in counts if (spread := _together(name, kinds[name], shards)) is not None}
        errors = errors_of(run, counts)
        return cls(counts, errors, spreads, shards, sentences(schema, counts, errors, spreads))

    @property
    def n_filled(self) -> int:
        return sum(self.columns.values())

    def as_dict(self) -> dict[str, Any]:
        about = {"filled": self.columns, "validation": {name: error._asdict() for name, error in self.errors.items()}}
        return about | ({"spread": self.spreads} if self.spreads else {}) | {"by_shard": self.by_shard}


def _together(name: str, kind: str, shards: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The spread of a column in all shards; None if the model cannot draw."""
    found = [(about["filled"][name], about["spread"][name]) for about in shards.values() if name in about["spread"]]
    if not found:
        return None
    power = 1 if kind in NAMED else 2
    total = sum(n * spread**power for n, spread in found) / sum(n for n, _ in found)
    return total if kind in NAMED else math.sqrt(total)


__all__ = ["ShardFills"]

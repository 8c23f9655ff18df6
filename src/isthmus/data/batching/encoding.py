"""Converts raw values of columns of several kinds to network input, and back.

Each column is a block of x. A number, a count or a time has one value with mean 0 and standard deviation 1 and a flag
that is 1 for a gap; a time also has a sine and a cosine for each cycle. Yes-no is -1 or 1. A category is one-hot, with
a last place for levels that are not listed. A gap is 0 in all of these, with the flag set if there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.data.schema import OTHER, Schema, TableColumn
from isthmus.system.device_constants import constant

DAY, WEEK, YEAR = 86_400.0, 604_800.0, 31_556_952.0  # seconds; the year is the mean Gregorian one
CYCLES = {DAY: "day", WEEK: "week", YEAR: "year"}
MONDAY = 345_600.0  # the first Monday in 1970: weeks start on Monday
MOST_REPEATS = 65_536  # rows of a window: the most values that a network takes
FLAGGED = {"number", "count", "time"}


@dataclass(frozen=True)
class Block:
    """A column of x. For a number, x is (raw - offset) * scale; for a count, the same of log(1 + raw). With `knots`,
    pairs of raw and x, it is linear between them and beyond the ends. `cycles` are lengths in seconds.

    `constant` is the cost of the best constant prediction in the units of the likelihood, by part: of the value, and
    of cycles.
    """

    kind: str
    offset: float = 0.0
    scale: float = 1.0
    knots: tuple[tuple[float, float], ...] = ()
    cycles: tuple[float, ...] = ()
    n_levels: int = 0
    pooled: bool = False
    decimals: int | None = None
    step: float = 1.0
    poisson: bool = False
    constant: float = 1.0

    @property
    def n_values(self) -> int:
        """Values of x without the flag."""
        return self.n_levels + 1 if self.kind == "category" else 1 + 2 * len(self.cycles)

    @property
    def flagged(self) -> bool:
        return self.kind in FLAGGED

    @property
    def size(self) -> int:
        return self.n_values + self.flagged


@dataclass(frozen=True)
class Encoding:
    """The blocks of all columns; both directions keep NaN as a gap. In windows of a series, all rows are encoded in the
    same way: `row` has the blocks of one row, which occurs `repeats` times.
    """

    row: tuple[Block, ...]
    repeats: int = 1

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of all K columns of a sample."""
        return self.row * self.repeats

    @property
    def of_row(self) -> Encoding:
        """The encoding of one row of a window."""
        return Encoding(self.row)

    @property
    def size(self) -> int:
        """The number of values of x, D."""
        return sum(block.size for block in self.blocks)

    @property
    def places(self) -> list[slice]:
        """The slice of x for each column."""
        ends = np.cumsum([0, *(block.size for block in self.blocks)]).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]

    @property
    def column_of(self) -> list[int]:
        """The column that each of the D values of x belongs to."""
        return [k for k, block in enumerate(self.blocks) for _ in range(block.size)]

    @property
    def flags(self) -> list[bool]:
        """Which values of x are flags of gaps."""
        return [j == block.n_values for block in self.blocks for j in range(block.size)]

    def to_x(self, raw: Tensor) -> Tensor:
        """x (B, D) in float32 from raw values (B, K) in float64."""
        rows = raw.reshape(-1, len(self.row))
        parts = [part for k, block in enumerate(self.row) for part in _encoded(rows[:, k], block)]
        return torch.cat(parts, 1).to(torch.float32).reshape(raw.shape[0], self.size)

    def to_raw(self, x: Tensor) -> Tensor:
        """Raw values (B, K) in float64 from x or the decoder's mean: values that are valid in the column, NaN for a
        gap.
        """
        return self._by_row(x.double(), _decoded)

    def missing(self, x: Tensor) -> Tensor:
        """Which columns of x are gaps, (B, K) bool."""
        return self._by_row(x, _is_gap)

    def _by_row(self, x: Tensor, function: Callable[[Tensor, Block], Tensor]) -> Tensor:
        """(B, K): `function` applied to the values (n, size) of each block."""
        one = self.of_row
        rows = x.reshape(-1, one.size)
        found = [function(rows[:, at], block) for at, block in zip(one.places, self.row, strict=True)]
        return torch.stack(found, 1).reshape(x.shape[0], len(self.blocks))

    def known_only(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """x_hat, replaced by x where x has gaps, so that gaps are not compared."""
        gaps = self.missing(x)[:, constant(self.column_of, torch.int64, x.device)]
        return torch.where(gaps, x, x_hat)

    def evened(self, x: Tensor) -> Tensor:
        """x (B, D) scaled so that every column has variance of about 1, including the cycles of a time (1 and 1/2 per
        value).
        """
        scale = [1 / math.sqrt(1 + len(self.blocks[k].cycles)) for k in self.column_of]
        return x * constant(scale, x.dtype, x.device)

    def by_column(self, values: Tensor) -> Tensor:
        """Values of x (N, D) summed by column, (N, K)."""
        place = constant(self.column_of, torch.int64, values.device)
        return values.new_zeros(len(values), len(self.blocks)).index_add_(1, place, values)

    def hidden(self, x: Tensor, columns: Tensor) -> Tensor:
        """x with gaps inserted where `columns` (B, K) is true."""
        place = constant(self.column_of, torch.int64, x.device)
        gap = constant(self.flags, x.dtype, x.device)
        return torch.where(columns[:, place], gap, x)

    def check(self, schema: Schema) -> None:
        """Raises: ValueError if the blocks do not match the columns of `schema`."""
        for column, block in zip(schema.modeled, self.blocks, strict=True):
            if column.kind != block.kind or (column.kind == "category" and len(column.levels) != block.n_levels):
                raise ValueError(f"the column {column.name!r} is encoded as a different kind")

    def as_dict(self) -> dict[str, Any]:
        about: dict[str, Any] = {"blocks": [asdict(block) for block in self.row]}
        return about | ({"repeats": self.repeats} if self.repeats > 1 else {})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Encoding:
        """Inverse of `as_dict`. Raises: ValueError for invalid numbers; TypeError, KeyError for other contents."""
        blocks = []
        for about in values["blocks"]:
            known = about | {"knots": tuple((float(a), float(b)) for a, b in about["knots"])}
            block = Block(**known | {"cycles": tuple(map(float, about["cycles"]))})
            numbers = (block.offset, block.scale, block.step, block.constant, *block.cycles, *sum(block.knots, ()))
            if not all(map(math.isfinite, numbers)) or not (block.scale > 0 and block.constant > 0 and block.step > 0):
                raise ValueError("the scale of a column is not a positive number")
            if type(block.n_levels) is not int or not 0 <= block.n_levels <= 65_536:
                raise ValueError(f"a column has {block.n_levels!r} levels")
            blocks.append(block)
        repeats = values.get("repeats", 1)
        if type(repeats) is not int or not 1 <= repeats <= MOST_REPEATS:
            raise ValueError(f"a window has {repeats!r} rows")
        return cls(tuple(blocks), repeats)


def value_names(column: TableColumn, block: Block) -> list[str]:
    """The names of the values of x of a column."""
    if block.kind == "category":
        return [f"{column.name} = {level}" for level in (*column.levels, OTHER)]
    cycles = [f"{column.name}, {part} of {CYCLES[c]}" for c in block.cycles for part in ("sine", "cosine")]
    return [column.name, *cycles, *([f"{column.name} missing"] if block.flagged else [])]


def _encoded(raw: Tensor, block: Block) -> Iterator[Tensor]:
    """The values (B, n) of one column, and its flag."""
    if block.kind == "category":
        yield (raw[:, None] == torch.arange(block.n_levels + 1, device=raw.device)).to(raw.dtype)
        return
    gap = raw.isnan()
    value = torch.where(gap, 0.0, raw)
    if block.kind == "yes-no":
        yield torch.where(gap, 0.0, 2 * value - 1)[:, None]
        return
    yield torch.where(gap, 0.0, _scaled(value, block))[:, None]
    for cycle in block.cycles:
        angle = ((value - MONDAY) % cycle * (2 * math.pi / cycle)).float()  # programs that run ONNX lack others
        around = torch.stack([torch.where(gap, 0.0, angle.sin()), torch.where(gap, 0.0, angle.cos())], 1)
        yield around.to(raw.dtype)
    yield gap.to(raw.dtype)[:, None]


def _scaled(value: Tensor, block: Block) -> Tensor:
    if block.kind == "count":
        value = value.clamp(min=0.0).log1p()
    if block.knots:
        raw, x = zip(*block.knots, strict=True)
        return _linear(value, raw, x, block.scale)
    return (value - _exact(block.offset, value)) * _exact(block.scale, value)


def _exact(number: float, like: Tensor) -> Tensor:
    """A constant of the type of `like`: ONNX writes a constant that is not a tensor in float32, and the log of a year
    minus its mean is then off by a thousandth of its standard deviation.
    """
    return constant((number,), like.dtype, like.device)


def _unscaled(value: Tensor, block: Block) -> Tensor:
    if block.knots:
        raw, x = zip(*block.knots, strict=True)
        value = _linear(value, x, raw, 1 / block.scale)
    else:
        value = value / _exact(block.scale, value) + _exact(block.offset, value)
    return value.clamp(max=60.0).expm1() if block.kind == "count" else value  # 1e26: larger than any real count


def _linear(value: Tensor, at: tuple[float, ...], to: tuple[float, ...], beyond: float) -> Tensor:
    """Linear interpolation between the points (at, to), with the slope `beyond` outside of them."""
    inside = [(b - a) / (d - c) for (a, b), (c, d) in zip(pairwise(to), pairwise(at), strict=True)]
    slopes = [beyond, *inside, beyond]
    found = to[0] + slopes[0] * (value - at[0])
    for place, (before, after) in zip(at, pairwise(slopes), strict=True):
        found = found + (after - before) * (value - place).clamp(min=0.0)
    return found


def _decoded(x: Tensor, block: Block) -> Tensor:
    """The raw values (B,) of one column of x (B, size)."""
    if block.kind == "category":
        n = block.n_levels + block.pooled  # the last place is an answer only if rare levels of training share it
        given = x[:, n:].sum(1) > x[:, :n].sum(1)  # but it may be in the input
        return torch.where(given, float(block.n_levels), x[:, :n].argmax(1).to(x.dtype)).masked_fill(
            _is_gap(x, block), math.nan
        )
    if block.kind == "yes-no":
        return torch.where(_is_gap(x, block), math.nan, (x[:, 0] > 0).to(x.dtype))
    value = _unscaled(x[:, 0], block)
    if block.kind == "time":
        value = _in_phase(value, x, block)
        value = (value / block.step).round() * block.step
    elif block.decimals is not None:
        value = (value * 10.0**block.decimals).round() / 10.0**block.decimals
    value = value.clamp(min=0.0) if block.kind == "count" else value
    return value.masked_fill(_is_gap(x, block), math.nan)


def _in_phase(value: Tensor, x: Tensor, block: Block) -> Tensor:
    """The nearest time with the right phase of the week, then of the day: if the data spans a year, the value alone is
    only accurate to days.
    """
    for i, cycle in sorted(enumerate(block.cycles), key=lambda pair: -pair[1]):
        if cycle == YEAR:
            continue
        wanted = _angle(x[:, 1 + 2 * i], x[:, 2 + 2 * i]) * (cycle / (2 * math.pi))
        off = (wanted - (value - MONDAY) + cycle / 2) % cycle - cycle / 2
        value = value + off
    return value


def _angle(sine: Tensor, cosine: Tensor) -> Tensor:
    """The angle (B,) in float64. onnxruntime supports only float32 here, with an error of 3 ms in a day."""
    if torch.compiler.is_exporting():
        return torch.atan2(sine.float(), cosine.float()).double()
    return torch.atan2(sine, cosine)


def _is_gap(x: Tensor, block: Block) -> Tensor:
    if block.kind == "category":
        return x.abs().sum(1) == 0
    return x[:, 0] == 0 if block.kind == "yes-no" else x[:, block.n_values] > 0.5


__all__ = ["Block", "Encoding", "value_names"]

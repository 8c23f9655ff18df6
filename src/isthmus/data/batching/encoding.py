"""How raw values of columns of several kinds become network input, and how they come back.

Each column is a block of x: a number, a count or the position of a time takes one value of mean 0 and deviation 1, a
flag that is 1 for a gap, and a time a sine and a cosine for each cycle; yes-no is -1 or 1; a category is a 1 among
zeros, with a last place for levels without a name. A gap is 0 in all of these, with the flag where there is one.
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
MONDAY = 345_600.0  # the first in 1970: weeks are counted from one
MOST_REPEATS = 65_536  # rows of a window: a network takes no more values
FLAGGED = {"number", "count", "time"}


@dataclass(frozen=True)
class Block:
    """A column of x. x of a number is (raw - offset) * scale, of a count that of log(1 + raw); with `knots`, pairs of
    raw and x, it is linear between them and beyond the last of either end. `cycles` are lengths in seconds.

    `constant` is what the best constant costs in the units of the likelihood, by part: of the value, and of cycles.
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
    """The blocks of all columns; both ways keep NaN a gap. Of windows of a series, whose rows are all encoded alike,
    those of one row, `repeats` times.
    """

    row: tuple[Block, ...]
    repeats: int = 1

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Of all columns of a sample, K of them."""
        return self.row * self.repeats

    @property
    def of_row(self) -> Encoding:
        """That of one row of a window."""
        return Encoding(self.row)

    @property
    def size(self) -> int:
        """Values of x, D."""
        return sum(block.size for block in self.blocks)

    @property
    def places(self) -> list[slice]:
        """Where each column stands in x."""
        ends = np.cumsum([0, *(block.size for block in self.blocks)]).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]

    @property
    def column_of(self) -> list[int]:
        """The column that each value of x belongs to, D of them."""
        return [k for k, block in enumerate(self.blocks) for _ in range(block.size)]

    @property
    def flags(self) -> list[bool]:
        """Which values of x are flags of gaps."""
        return [j == block.n_values for block in self.blocks for j in range(block.size)]

    def to_x(self, raw: Tensor) -> Tensor:
        """float32 x (B, D) of raw values (B, K) in float64."""
        rows = raw.reshape(-1, len(self.row))
        parts = [part for k, block in enumerate(self.row) for part in _encoded(rows[:, k], block)]
        return torch.cat(parts, 1).to(torch.float32).reshape(raw.shape[0], self.size)

    def to_raw(self, x: Tensor) -> Tensor:
        """Raw values (B, K) float64 of x, or of the decoder's mean; such as the column may hold, NaN for a gap."""
        return self._by_row(x.double(), _decoded)

    def missing(self, x: Tensor) -> Tensor:
        """Which columns of x are gaps, (B, K) bool."""
        return self._by_row(x, _is_gap)

    def _by_row(self, x: Tensor, function: Callable[[Tensor, Block], Tensor]) -> Tensor:
        """(B, K) of what `function` makes of the values (n, size) of each block."""
        one = self.of_row
        rows = x.reshape(-1, one.size)
        found = [function(rows[:, at], block) for at, block in zip(one.places, self.row, strict=True)]
        return torch.stack(found, 1).reshape(x.shape[0], len(self.blocks))

    def known_only(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """x_hat with x where x has gaps, so that nothing is compared there."""
        gaps = self.missing(x)[:, constant(self.column_of, torch.int64, x.device)]
        return torch.where(gaps, x, x_hat)

    def evened(self, x: Tensor) -> Tensor:
        """x (B, D) of which every column varies by about 1, a time with its cycles too (1 and 1/2 a value)."""
        scale = [1 / math.sqrt(1 + len(self.blocks[k].cycles)) for k in self.column_of]
        return x * constant(scale, x.dtype, x.device)

    def by_column(self, values: Tensor) -> Tensor:
        """Values of x (N, D) added up by the column that they belong to, (N, K)."""
        place = constant(self.column_of, torch.int64, values.device)
        return values.new_zeros(len(values), len(self.blocks)).index_add_(1, place, values)

    def hidden(self, x: Tensor, columns: Tensor) -> Tensor:
        """x with gaps put where `columns` (B, K) is true."""
        place = constant(self.column_of, torch.int64, x.device)
        gap = constant(self.flags, x.dtype, x.device)
        return torch.where(columns[:, place], gap, x)

    def check(self, schema: Schema) -> None:
        """Raises: ValueError where the columns of `schema` are not what the blocks encode."""
        for column, block in zip(schema.modeled, self.blocks, strict=True):
            if column.kind != block.kind or (column.kind == "category" and len(column.levels) != block.n_levels):
                raise ValueError(f"the column {column.name!r} is encoded as a different kind")

    def as_dict(self) -> dict[str, Any]:
        about: dict[str, Any] = {"blocks": [asdict(block) for block in self.row]}
        return about | ({"repeats": self.repeats} if self.repeats > 1 else {})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Encoding:
        """What `as_dict` gave. Raises: ValueError for numbers that are none; TypeError, KeyError for other contents."""
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
    """What each value of x of a column is."""
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
        angle = (value - MONDAY) % cycle * (2 * math.pi / cycle)
        yield torch.stack([torch.where(gap, 0.0, angle.sin()), torch.where(gap, 0.0, angle.cos())], 1)
    yield gap.to(raw.dtype)[:, None]


def _scaled(value: Tensor, block: Block) -> Tensor:
    if block.kind == "count":
        value = value.clamp(min=0.0).log1p()
    if block.knots:
        raw, x = zip(*block.knots, strict=True)
        return _linear(value, raw, x, block.scale)
    return (value - _exact(block.offset, value)) * _exact(block.scale, value)


def _exact(number: float, like: Tensor) -> Tensor:
    """A constant of the type of `like`: ONNX writes one that is no tensor in float32, and the log of a year less its
    mean is then off by a thousandth of its deviation.
    """
    return constant((number,), like.dtype, like.device)


def _unscaled(value: Tensor, block: Block) -> Tensor:
    if block.knots:
        raw, x = zip(*block.knots, strict=True)
        value = _linear(value, x, raw, 1 / block.scale)
    else:
        value = value / _exact(block.scale, value) + _exact(block.offset, value)
    return value.clamp(max=60.0).expm1() if block.kind == "count" else value  # 1e26: a count that nobody counts


def _linear(value: Tensor, at: tuple[float, ...], to: tuple[float, ...], beyond: float) -> Tensor:
    """Linear between the points (at, to), and of the slope `beyond` outside of them."""
    inside = [(b - a) / (d - c) for (a, b), (c, d) in zip(pairwise(to), pairwise(at), strict=True)]
    slopes = [beyond, *inside, beyond]
    found = to[0] + slopes[0] * (value - at[0])
    for place, (before, after) in zip(at, pairwise(slopes), strict=True):
        found = found + (after - before) * (value - place).clamp(min=0.0)
    return found


def _decoded(x: Tensor, block: Block) -> Tensor:
    """The raw values (B,) of one column of x (B, size)."""
    if block.kind == "category":
        n = block.n_levels + block.pooled  # a level without a name is no answer, unless training had such
        given = x[:, n:].sum(1) > x[:, :n].sum(1)  # but it may be what was given
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
    """The nearest moment at which the week's, then the day's cycle stands where it should: a position alone is vague
    by days where it spans a year.
    """
    for i, cycle in sorted(enumerate(block.cycles), key=lambda pair: -pair[1]):
        if cycle == YEAR:
            continue
        wanted = _angle(x[:, 1 + 2 * i], x[:, 2 + 2 * i]) * (cycle / (2 * math.pi))
        off = (wanted - (value - MONDAY) + cycle / 2) % cycle - cycle / 2
        value = value + off
    return value


def _angle(sine: Tensor, cosine: Tensor) -> Tensor:
    """The angle (B,) in float64. onnxruntime has it in float32 alone: a day is off by 3 ms there."""
    if torch.compiler.is_exporting():
        return torch.atan2(sine.float(), cosine.float()).double()
    return torch.atan2(sine, cosine)


def _is_gap(x: Tensor, block: Block) -> Tensor:
    if block.kind == "category":
        return x.abs().sum(1) == 0
    return x[:, 0] == 0 if block.kind == "yes-no" else x[:, block.n_values] > 0.5


__all__ = ["Block", "Encoding", "value_names"]

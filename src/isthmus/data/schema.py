"""What each column of a table is: its kind, its levels, how its values are written; kept with the model."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isthmus.errors import UsageError, unknown
from isthmus.wording import printable

MODELED = ("number", "count", "yes-no", "category", "time")
LEFT_OUT = ("id", "text", "skip")
KINDS = (*MODELED, *LEFT_OUT)  # that can be asked for; `constant` is only found
OTHER = "(other)"  # what a level is called that training has no name for


@dataclass(frozen=True)
class TableColumn:
    """One column: `kind`, and in words `why` it was taken for that.

    `levels` are the names of a category, the most frequent first, of a yes-no column "no" and "yes" as they are
    written, and the one value of a constant. `decimals` are the digits after the point of a number (None: as many as
    it takes). `format` is how a time is written, `zone` what follows it (`Z`, `+01:00`), and `step` the seconds that
    its values are multiples of. `pooled` says that levels too rare to learn were put together as `OTHER`. `dtype` is
    the type of the column in a frame (`data/tables/column_types.py`), "" where it is one of a file. `template` is what
    stands around the numbers of a column, `#` being the number: `$#`, `# kg`; "" for plain ones.
    `nulls` are words that stand for no value in it because somebody said so. `bare` are the letters of `format` that
    are written without a zero in front, as in 3/8/2021 ("dm").
    """

    name: str
    kind: str
    why: str = ""
    levels: tuple[str, ...] = ()
    decimals: int | None = None
    format: str = ""
    zone: str = ""
    step: float = 1.0
    pooled: bool = False
    dtype: str = ""
    template: str = ""
    nulls: tuple[str, ...] = ()
    bare: str = ""


@dataclass(frozen=True)
class Schema:
    """The columns of a table in their order, those that are left out included."""

    columns: tuple[TableColumn, ...]

    @property
    def modeled(self) -> tuple[TableColumn, ...]:
        """The columns that a model sees, in the order of its raw values."""
        return tuple(column for column in self.columns if column.kind in MODELED)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of `modeled`."""
        return tuple(column.name for column in self.modeled)

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of numbers and counts, whose raw values can be compared."""
        return tuple(column.name for column in self.columns if column.kind in {"number", "count"})

    @property
    def left_out(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.kind not in MODELED)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Schema:
        """What `as_dict` gave, from a file that anybody may have written.

        Raises: ValueError for what no reading gives; TypeError and KeyError for other contents.
        """
        given: list[dict[str, Any]] = [
            {**about, "levels": tuple(about["levels"]), "nulls": tuple(about.get("nulls", ()))}
            for about in values["columns"]
        ]
        columns = tuple(TableColumn(**about) for about in given)
        for column in columns:
            _check(column)
        if len({column.name for column in columns}) < len(columns):
            raise ValueError("two columns of the schema have the same name")
        return cls(columns)

    def lines(self) -> tuple[str, ...]:
        """A line a column for people: its name, its kind, and why."""
        width = max((len(printable(column.name)) for column in self.columns), default=0)
        return tuple(f"{printable(c.name):<{width}}  {c.kind:<8}  {c.why}".rstrip() for c in self.columns)


Expected = Sequence[str] | Schema  # the columns of a trained model: their names, or what they are


def _check(column: TableColumn) -> None:
    texts = (
        column.name,
        column.kind,
        column.why,
        column.format,
        column.zone,
        column.dtype,
        column.template,
        column.bare,
        *column.levels,
        *column.nulls,
    )
    if not all(isinstance(text, str) for text in texts) or column.kind not in (*KINDS, "constant"):
        raise ValueError(f"the schema has an invalid column, of kind {column.kind!r}")
    if not (isinstance(column.step, int | float) and math.isfinite(column.step) and column.step > 0):
        raise ValueError(f"the time step {column.step!r} is not a positive number")
    if column.decimals is not None and not (type(column.decimals) is int and 0 <= column.decimals <= 20):
        raise ValueError(f"{column.decimals!r} is not a number of decimals from 0 to 20")
    if column.template and not re.fullmatch(r"[^#]*#([.,]#)?[^#]*", column.template):
        raise ValueError(f"the template {column.template!r} does not show where the number goes")
    if not set(column.bare) <= {*"dmHI"}:
        raise ValueError(f"{column.bare!r} has letters of a time format that always have a leading zero")
    if column.kind == "yes-no" and len(column.levels) != 2:
        raise ValueError(f"a yes-no column has {len(column.levels)} levels, not 2")


def asked_kinds(pairs: Sequence[str]) -> dict[str, str]:
    """`["product=category"]` -> `{"product": "category"}`; a time may name its format, `day=time:%d/%m/%Y`.

    Raises: UsageError for an unknown kind, with the nearest, and for a text without "=".
    """
    found = {}
    for pair in pairs:
        name, equals, kind = pair.rpartition("=") if "=time:" not in pair else pair.partition("=")
        if not equals or not name:
            message = f"--column {printable(pair)!r} does not name a kind."
            fix = f"write --column NAME=KIND, where KIND is one of {', '.join(KINDS)}"
            raise UsageError("USAGE-COLUMN", message, fix=fix)
        if kind.partition(":")[0] not in KINDS or (":" in kind and not kind.startswith("time:")):
            raise unknown("kind of column", kind, KINDS)
        found[name] = kind
    return found


__all__ = ["KINDS", "LEFT_OUT", "MODELED", "OTHER", "Expected", "Schema", "TableColumn", "asked_kinds"]

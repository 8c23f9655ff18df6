"""The kind, levels and format of each column of a table; saved with the model."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isthmus.errors import UsageError, unknown
from isthmus.wording import printable, shell_word

MODELED = ("number", "count", "yes-no", "category", "time")
LEFT_OUT = ("id", "text", "skip")
KINDS = (*MODELED, *LEFT_OUT)  # that `--column` can set; `constant` is only detected
OTHER = "(other)"  # the name of all levels that are not listed: rare ones in training, and new ones


@dataclass(frozen=True)
class TableColumn:
    """One column: its `kind`, and `why` it was given that kind, in words.

    `levels` are the names of a category, the most frequent first; for a yes-no column, its words for "no" and "yes";
    for a constant, its only value. `decimals` is the number of digits after the decimal point (None: as many as
    needed). `format` is the strftime format of a time, `zone` its suffix (`Z`, `+01:00`), and all its values are
    multiples of `step` seconds. `pooled` says that levels too rare to learn were merged into `OTHER`. `dtype` is the
    type of the column in a data frame (`data/tables/column_types.py`), "" for a column of a file. `template` shows
    what is written around the numbers of a column, with `#` for the number: `$#`, `# kg`; "" for plain numbers.
    `nulls` are the words that the user declared as missing values of the column. `bare` are the letters of `format`
    that are written without a leading zero, as in 3/8/2021 ("dm"). `months` are the twelve names of months in a time
    column, if its format does not write them so.
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
    months: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """All columns of a table in their order, including those that are left out."""

    columns: tuple[TableColumn, ...]

    @property
    def modeled(self) -> tuple[TableColumn, ...]:
        """The columns that the model uses, in the order of the raw values."""
        return tuple(column for column in self.columns if column.kind in MODELED)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of `modeled`."""
        return tuple(column.name for column in self.modeled)

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of the columns of numbers and counts."""
        return tuple(column.name for column in self.columns if column.kind in {"number", "count"})

    @property
    def left_out(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.kind not in MODELED)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Schema:
        """The inverse of `as_dict`, for values from a file that is not trusted.

        Raises: ValueError for invalid values; TypeError and KeyError for another structure.
        """
        given: list[dict[str, Any]] = [
            {
                **about,
                "levels": tuple(about["levels"]),
                "nulls": tuple(about.get("nulls", ())),
                "months": tuple(about.get("months", ())),
            }
            for about in values["columns"]
        ]
        columns = tuple(TableColumn(**about) for about in given)
        for column in columns:
            _check(column)
        if len({column.name for column in columns}) < len(columns):
            raise ValueError("two columns of the schema have the same name")
        return cls(columns)

    def lines(self) -> tuple[str, ...]:
        """One line per column: its name, its kind, and why."""
        width = max((len(printable(column.name)) for column in self.columns), default=0)
        return tuple(f"{printable(c.name):<{width}}  {c.kind:<8}  {c.why}".rstrip() for c in self.columns)


Expected = Sequence[str] | Schema  # the columns of a trained model: names, or a schema


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
        *column.months,
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
    if len(column.months) not in {0, 12}:
        raise ValueError(f"a time column has {len(column.months)} names of months, not 12")
    if column.kind == "yes-no" and len(column.levels) != 2:
        raise ValueError(f"a yes-no column has {len(column.levels)} levels, not 2")


def column_option(name: str, kind: str) -> str:
    """The option that sets the kind of a column, as typed in a shell.

    >>> column_option("paid on", "time:%d/%m/%Y")
    "--column 'paid on=time:%d/%m/%Y'"
    """
    return f"--column {shell_word(f'{name}={kind}')}"


def asked_kinds(pairs: Sequence[str]) -> dict[str, str]:
    """`["product=category"]` -> `{"product": "category"}`; a time may have a format, `day=time:%d/%m/%Y`.

    Raises: UsageError for an unknown kind, suggesting the nearest, and for a text without "=".
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


__all__ = ["KINDS", "LEFT_OUT", "MODELED", "OTHER", "Expected", "Schema", "TableColumn", "asked_kinds", "column_option"]

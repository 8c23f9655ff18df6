"""Detects the time format of a column, and converts text to seconds and back."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
import polars as pl

from isthmus.data.tables.month_names import has_names, in_english, written

DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y",
    "%m/%d/%y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%B-%Y", "%d. %B %Y", "%d de %B de %Y",
)  # fmt: skip
CLOCKS = ("", "%H:%M", "%H:%M:%S", "%H:%M:%S%.3f", "%H:%M:%S%.6f", "%H:%M:%S%.f", "%I:%M %p", "%I:%M:%S %p")
BETWEEN = (" ", "T")
# After a time of day. Hours alone, as databases write them, only after seconds, because 10:00-12 is a range.
ZONE = r"(Z|[+-]\d{2}:?\d{2}|[+-]\d{2})$"
ZONED = r"\d{1,2}:\d{2}.*(Z|[+-]\d{2}:?\d{2})$|\d{1,2}:\d{2}:\d{2}\S*[+-]\d{2}$"
BARE = "dmHI"  # fields that may lack a leading zero: 3/8/2021 9:05
PLAIN_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
ENOUGH = 0.95  # share of the cells, as for numbers; the rest are errors with their rows
PROBED = 200  # cells on which formats are tried before all cells are read
NAME = r"\s*[^\W\d]+\.?"
SHAPES = {"%b": NAME, "%B": NAME, "%p": NAME, "%.3f": r"(\.\d+)?", "%.6f": r"(\.\d+)?", "%.f": r"(\.\d+)?"}
FEW = 20  # of these cells, to exclude most formats first: if 11 of 200 are wrong, all 20 are wrong once in 1e28
DAY = 86_400
YEAR_1, NANOSECONDS_END = -62_135_596_800, 9_223_372_036  # seconds; 64-bit nanoseconds end in 2262
FIRST_YEAR, LAST_YEAR = -30_610_224_000, 253_402_300_800  # seconds of the years 1000 and 10000; others are misread


class TimeFormat(NamedTuple):
    """The strftime `pattern`, the `zone` after every time ("" for none, `UTC` if they differ), and whether another
    order of day and month fits the column too.
    """

    pattern: str
    zone: str
    ambiguous: bool = False

    @property
    def is_clock(self) -> bool:
        """Whether it has no date."""
        return "%d" not in self.pattern


def find_format(text: pl.Series) -> TimeFormat | None:
    """The format that fits at least 95% of the cells (without gaps); None if there is none."""
    probed = text.head(PROBED)
    # A plain number is never a time, and trying two hundred formats on each column of numbers would be slow.
    if float(probed.str.contains(PLAIN_NUMBER).fill_null(False).to_numpy().mean() if len(probed) else 1) >= ENOUGH:
        return None
    head, _ = _without_zone(probed)
    if not len(head) or float(head.str.contains(r"\d.*[-/.: ].*\d").to_numpy().mean()) < ENOUGH:
        return None
    few = head.head(FEW).to_list()  # if 95% of the cells are times, at least one of these is
    possible = [pattern for pattern, shape in _shapes() if any(map(shape.fullmatch, few))]
    likely = [pattern for pattern in possible if _share(head, pattern) >= ENOUGH]
    if not likely:
        return None
    body, zone = _without_zone(text)
    fits = [pattern for pattern in likely if _share(body, pattern) >= ENOUGH]
    if not fits:
        return None
    best = max(fits, key=lambda pattern: _share(body, pattern))  # the first one if several fit equally well
    same = [p for p in fits if p != best and _share(body, p) == _share(body, best)]
    orders = {_order(pattern) for pattern in (best, *same)}
    return TimeFormat(best, zone, len(orders) > 1)


def to_seconds(text: pl.Series, pattern: str) -> np.ndarray:
    """Seconds since 1970 in UTC, or since midnight without a date; (n,) float64, NaN for other texts."""
    body, offsets = _divided(text)
    seconds = _read(body, pattern)
    return (seconds - offsets).to_numpy()


def texts_of(moments: pl.Series) -> pl.Series:
    """Dates, times of day or datetimes of a data frame as text, with fractions of a second only if there are any."""
    if moments.dtype == pl.Date:
        return moments.dt.strftime(DATES[0])
    fine = bool((_micro(moments) % 1_000_000 != 0).any())
    clock = "%H:%M:%S" + "%.6f" * fine
    if moments.dtype == pl.Time:
        return moments.dt.strftime(clock)
    zone = "%:z" if getattr(moments.dtype, "time_zone", None) else ""
    return moments.dt.strftime(f"{DATES[0]} {clock}{zone}")


def seconds_of(moments: pl.Series, pattern: str) -> np.ndarray:
    """As `to_seconds`, for dates, times of day or datetimes of a data frame; (n,) float64, NaN for gaps. All are NaN if
    only the column or only the pattern has a date.
    """
    if (moments.dtype == pl.Time) != ("%d" not in pattern):
        return np.full(len(moments), math.nan)
    return (_micro(moments).cast(pl.Float64) / 1e6).fill_null(math.nan).to_numpy()


def moments_of(seconds: np.ndarray, dtype: pl.DataType) -> pl.Series:
    """Seconds (n,) as a column of this temporal type of polars; null for NaN."""
    known = np.isfinite(seconds)
    seconds = held_by(
        seconds, getattr(dtype, "time_unit", "us"), has_zone=getattr(dtype, "time_zone", None) is not None
    )
    micro = pl.Series((np.where(known, seconds, 0.0) * 1e6).round().astype(np.int64))
    if dtype == pl.Time:
        found = (micro % (DAY * 1_000_000) * 1_000).cast(pl.Time)
    elif dtype == pl.Date:
        found = micro.cast(pl.Datetime("us")).cast(pl.Date)
    else:
        found = micro.cast(pl.Datetime("us", getattr(dtype, "time_zone", None))).cast(dtype)
    return pl.select(pl.when(pl.Series(known)).then(found)).to_series()


def held_by(seconds: np.ndarray, unit: str, *, has_zone: bool) -> np.ndarray:
    """Seconds (n,) clipped to the range of a type with this unit, because models can output any value; NaN stays."""
    least, most = (-NANOSECONDS_END, NANOSECONDS_END) if unit == "ns" else (YEAR_1, LAST_YEAR - 1)
    return np.clip(seconds, least + DAY * has_zone, most - DAY * has_zone)


def _micro(moments: pl.Series) -> pl.Series:
    """Microseconds since 1970 in UTC, or since midnight."""
    if moments.dtype == pl.Time:
        return moments.cast(pl.Int64) // 1_000
    return moments.cast(pl.Datetime("us", getattr(moments.dtype, "time_zone", None))).dt.epoch("us")


def to_text(seconds: np.ndarray, pattern: str, zone: str, bare: str = "", months: Sequence[str] = ()) -> list[str]:
    """Seconds (n,) in the original format, "" for NaN; `bare` are the letters of the pattern without a leading zero,
    and `months` the names of the months if the pattern does not write them so.
    """
    there = np.isfinite(seconds)
    offset = zone_seconds(zone)
    clock = "%d" not in pattern
    shifted = np.where(there, seconds, 0.0) + offset
    shifted = np.clip(shifted % DAY if clock else shifted, FIRST_YEAR, LAST_YEAR - 1)
    moments = pl.Series((shifted * 1e6).round().astype(np.int64)).cast(pl.Datetime("us"))
    suffix = "+00:00" if zone == "UTC" else zone
    pattern = re.sub(rf"%([{bare}])", r"%-\1", pattern) if bare else pattern
    texts = written(moments, pattern, months) if months else moments.dt.strftime(pattern)
    return [t + suffix if known else "" for t, known in zip(texts, there, strict=True)]


def bare_numbers(text: pl.Series, form: TimeFormat, months: Sequence[str] = ()) -> str:
    """The fields of these times without a leading zero, for `to_text`: those that reproduce most of the texts."""
    texts, seconds = text.head(PROBED).to_list(), to_seconds(text.head(PROBED), form.pattern)
    letters = [letter for letter in BARE if f"%{letter}" in form.pattern]
    tried = ["".join(some) for n in range(len(letters) + 1) for some in combinations(letters, n)]  # fewest first
    made = (to_text(seconds, form.pattern, form.zone, bare, months) for bare in tried)
    same = [sum(a == b for a, b in zip(those, texts, strict=True)) for those in made]
    return tried[same.index(max(same))]


def step_of(seconds: np.ndarray, zone: str) -> float:
    """The largest of a day, hour, minute, second and millisecond that divides all times, in seconds; else 1e-6."""
    known = seconds[np.isfinite(seconds)] + zone_seconds(zone)
    micro = np.round(known * 1e6).astype(np.int64)
    return next((step for step in (DAY, 3600, 60, 1, 1e-3) if not (micro % round(step * 1e6)).any()), 1e-6)


def zone_seconds(zone: str) -> int:
    """`"+01:30"` -> 5400; 0 for none, `Z` and `UTC`."""
    if zone in {"", "Z", "UTC"}:
        return 0
    digits = zone[1:].replace(":", "")
    return (-1 if zone[0] == "-" else 1) * (int(digits[:2]) * 3600 + int(digits[2:4] or 0) * 60)


def _patterns() -> Iterator[str]:
    for date, clock, between in product(DATES, CLOCKS, BETWEEN):
        if clock or between == BETWEEN[0]:
            yield f"{date}{between if clock else ''}{clock}"
    yield from (clock for clock in CLOCKS if clock)


@cache
def _shapes() -> list[tuple[str, re.Pattern[str]]]:
    """Every pattern with a regular expression that its texts must match, which is much faster than parsing."""
    return [(pattern, re.compile(_shape(pattern))) for pattern in _patterns()]


def _shape(pattern: str) -> str:
    """A regular expression for all texts of a pattern, and some more: names are any letters, numbers any digits."""
    parts = re.split(r"(%\.?\d?[A-Za-z])", pattern)
    return "".join(SHAPES.get(part, r"\s*[-+]?\d+") if part[:1] == "%" else _literal(part) for part in parts)


def _literal(text: str) -> str:
    return "".join(r"\s*" if letter == " " else re.escape(letter) for letter in text)


def _order(pattern: str) -> str:
    """Whether day or month comes first."""
    places = {letter: min((at for sign in signs if (at := pattern.find(sign)) >= 0), default=-1)
              for letter, signs in (("d", ("%d",)), ("m", ("%m", "%b", "%B")))}  # fmt: skip
    return "dm" if places["d"] < places["m"] else "md"


def _without_zone(text: pl.Series) -> tuple[pl.Series, str]:
    """The texts without their zones, and the zone; "UTC" if there are several."""
    if not _has_zone(text):
        return text, ""
    zones = text.str.extract(ZONE, 1).drop_nulls().unique()
    return text.str.replace(ZONE, "").str.strip_chars(), zones[0] if len(zones) == 1 else "UTC"


def _divided(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The texts without their zones, and the seconds by which each is ahead of UTC."""
    if not _has_zone(text):
        return text, pl.Series([0.0]).new_from_index(0, len(text))
    zones = text.str.extract(ZONE, 1).fill_null("")
    known = {zone: float(zone_seconds(zone)) for zone in zones.unique()}
    return text.str.replace(ZONE, "").str.strip_chars(), zones.replace_strict(known, return_dtype=pl.Float64)


def _has_zone(text: pl.Series) -> bool:
    return bool(text.str.contains(ZONED).any())


def _share(text: pl.Series, pattern: str) -> float:
    return float(np.isfinite(_read(text, pattern).to_numpy()).mean()) if len(text) else 0.0


def _read(text: pl.Series, pattern: str) -> pl.Series:
    """Float64 seconds, NaN for texts that do not match the pattern."""
    if "%d" not in pattern:
        seconds = _micro(text.str.to_time(pattern, strict=False)).cast(pl.Float64) / 1e6
        return seconds.fill_null(math.nan)
    text = in_english(text) if has_names(pattern) else text
    micro = text.str.to_datetime(pattern, strict=False, time_unit="us", exact=True).dt.epoch("us")
    seconds = micro.cast(pl.Float64) / 1e6
    inside = (seconds >= FIRST_YEAR) & (seconds < LAST_YEAR)
    return pl.select(pl.when(inside).then(seconds).otherwise(math.nan)).to_series().fill_null(math.nan)


__all__ = [
    "TimeFormat", "bare_numbers", "find_format", "held_by", "moments_of", "seconds_of", "step_of", "texts_of",
    "to_seconds", "to_text", "zone_seconds",
]  # fmt: skip

"""Windows against slices cut by hand, and the division in time against its definition."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from isthmus.config import DataConfig
from isthmus.data.batching.split import Splits, held_apart
from isthmus.data.objects import read_object
from isthmus.data.series.series_reading import Series, as_series
from isthmus.data.series.series_split import divide_series, settled_stride
from isthmus.data.series.windowing import RowMeans, all_windows, covering, first_rows
from isthmus.errors import DataError


def made(n: int, *, missing: slice | None = None, groups: int = 1, **options: object) -> Series:
    """A series of n hours, in each group, without the rows `missing`."""
    hours = np.delete(np.arange(n), missing if missing is not None else [])
    stamps = np.tile(hours, groups)
    values = np.random.default_rng(n).normal(size=(len(stamps), 2))
    frame = pl.DataFrame({"t": stamps, "a": values[:, 0], "b": values[:, 1]})
    frame = frame.with_columns(g=pl.Series(np.repeat([f"g{i}" for i in range(groups)], len(hours))))
    settings = DataConfig(**{"window": 5, "time": "t", "group": "g", **options})  # pyright: ignore
    return as_series(read_object(frame, settings).train, settings)


def test_windows_are_the_slices_of_each_stretch() -> None:
    rows, layout = made(60, missing=slice(20, 23))
    first = first_rows(rows.stretches, 5, 1)
    assert first.tolist() == [*range(16), *range(20, 53)]
    splits = divide_series(rows, layout, {})
    view = sliding_window_view(rows.raw, 5, axis=0).transpose(0, 2, 1)
    for part in (splits.train, splits.validation, splits.test):
        assert part.windows is not None
        np.testing.assert_array_equal(part.x.reshape(-1, 5, 2), view[part.windows.first])


@pytest.mark.parametrize(("n", "groups", "stride"), [(200, 1, 1), (200, 3, 1), (400, 1, 7), (90, 1, 5)])
def test_no_row_is_in_two_parts_and_a_window_lies_between(n: int, groups: int, stride: int) -> None:
    rows, layout = made(n, groups=groups, stride=stride)
    splits = divide_series(rows, layout, {})
    assert rows.stamps is not None
    spans = [times(splits, role, rows.stamps) for role in ("train", "validation", "test")]
    for before, after in pairwise(spans):
        assert after.min() - before.max() > 5  # hours: a gap of one window, and one step more
    assert all(len(getattr(splits, role)) for role in ("train", "validation", "test"))


def times(splits: Splits, role: str, stamps: np.ndarray) -> np.ndarray:
    windows = getattr(splits, role).windows
    return stamps[np.unique(windows.first[:, None] + np.arange(windows.length))]


@pytest.mark.parametrize("n", [8, 14, 20])
def test_fault_142_too_few_rows_are_told_with_a_window_that_fits(n: int) -> None:
    rows, layout = made(n, window=12)
    with pytest.raises(DataError, match=f"has {n} rows, too few for windows of 12") as error:
        divide_series(rows, layout, {})
    fitting = int(str(error.value.fix).removeprefix("pass --window "))
    splits = divide_series(rows, replace(layout, window=fitting), {})
    assert min(len(splits.validation), len(splits.test)) >= 1


def test_fault_142_a_break_in_every_window_is_told() -> None:
    rows, layout = made(120, missing=slice(3, None, 4))
    with pytest.raises(DataError, match="at most 3 without a break") as error:
        divide_series(rows, layout, {})
    assert error.value.fix == "pass --window 3, or ignore the times, with --column t=skip and without --time"


def test_fault_143_several_series_in_one_table_are_told_with_the_column_that_parts_them() -> None:
    rows, layout = made(60, groups=3, group=None)
    with pytest.raises(DataError, match="It seems to hold several series") as error:
        divide_series(rows, layout, {})
    assert error.value.fix == "pass --group g"


def test_every_row_is_covered_and_means_are_those_of_all_windows() -> None:
    rows, layout = made(40, missing=slice(20, 22))
    rows = replace(rows, starts=np.array([0, 20, 35]))  # 20, 15 and 3 rows: the last is shorter than a window
    layout = replace(layout, stride=3)
    assert covering(rows.stretches, 5, 3).tolist() == [0, 3, 6, 9, 12, 15, 20, 23, 26, 29, 30, 35]
    means, seen = RowMeans(len(rows), 2), np.zeros(len(rows))
    for cut in all_windows(rows, layout):
        values = cut.raw.reshape(-1, 5, 2)
        assert (np.isnan(values).all(2) == (cut.rows < 0)).all()
        means.add(cut.rows, values)
        np.add.at(seen, cut.rows[cut.rows >= 0], 1)
    assert (seen > 0).all()
    np.testing.assert_allclose(means.values, rows.raw, rtol=0, atol=1e-12)  # a sum of a few equal numbers


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_what_calibrates_is_later_and_shares_no_row_with_what_is_watched(share: float) -> None:
    rows, layout = made(400)
    watched, held = held_apart(divide_series(rows, layout, {}).validation, share, seed=0)
    assert watched.windows is not None
    assert held.windows is not None
    assert watched.windows.first.max() + 5 <= held.windows.first.min()
    none = held_apart(divide_series(rows, layout, {}).validation, 0.0, seed=0)[1]
    assert len(none) == 0


def test_the_stride_keeps_a_million_rows_in_bounds() -> None:
    stride = settled_stride(None, 1_000_000, 24, 5)
    assert 1_000_000 / stride * 24 * 5 <= 2**25 < 1_000_000 / (stride - 1) * 24 * 5
    assert settled_stride(None, 10_000, 24, 5) == 1
    assert settled_stride(9, 10, 5, 2) == 9

"""Tables by columns: polars, pandas, Parquet."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from isthmus.config import DataConfig
from isthmus.data.tables import frames
from isthmus.data.tables.reading import read_table, samples_from_frame
from isthmus.errors import DataError, UsageError

RNG = np.random.default_rng(0)


def samples(frame: object, expected: list[str] | None = None, **options: object):
    return samples_from_frame(frame, name="f", options=DataConfig(**options), expected=expected)  # type: ignore[arg-type]


FRAMES = {
    "polars": pl.DataFrame({"a": [1, 2, 3], "b": [1.5, 2.5, 4.0], "t": [True, False, True], "label": ["x", "y", "x"]}),
}
FRAMES["lazy"] = FRAMES["polars"].lazy()  # type: ignore[assignment]
FRAMES["pandas"] = pd.DataFrame(FRAMES["polars"].to_dict(as_series=False))  # type: ignore[assignment]
FRAMES["nullable"] = FRAMES["pandas"].convert_dtypes()  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", FRAMES)
def test_every_kind_of_frame_gives_the_same(kind: str) -> None:
    found = samples(FRAMES[kind])
    np.testing.assert_array_equal(found.x, [[1, 1.5, 1], [2, 2.5, 0], [3, 4, 1]])
    assert (found.columns, found.classes, found.label_column) == (("a", "b", "t"), ("x", "y"), "label")
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"a": [1, None, 3], "b": [1.5, 2.5, float("nan")]}),
        pd.DataFrame({"a": [1, np.nan, 3], "b": [1.5, 2.5, np.nan]}),
        pd.DataFrame({"a": pd.array([1, None, 3], "Int64"), "b": pd.array([1.5, 2.5, None], "Float64")}),
        pd.DataFrame({"a": ["1", None, "3"], "b": ["1.5", "2.5", "NA"]}),
    ],
)
def test_fault_14_missing_values_of_every_kind(frame: object) -> None:
    with pytest.raises(DataError, match=r"f: 2 values are missing in 2 columns\. Rows are counted from 1") as e:
        samples(frame, missing="error")
    assert [problem[:45] for problem in e.value.problems] == [
        'column "a": 1 missing value, the first in row',
        'column "b": 1 missing value, the first in row',
    ]
    np.testing.assert_array_equal(samples(frame, missing="median").x, [[1, 1.5], [np.nan, 2.5], [3, np.nan]])


def test_fault_15_infinite_values() -> None:
    frame = pl.DataFrame({"a": [1.0, float("inf"), 2.0, 3.0, 4.0], "b": [1.0, 2.0, 3.0, -1e300, 4.0]})
    with pytest.raises(DataError, match="2 cells are not usable numbers") as e:
        samples(frame)
    assert e.value.problems == (
        'row 2, column "a": "inf" is infinite',
        'row 4, column "b": "-1e+300" is too large (at most 3.4e38)',
    )
    found = samples(frame, skip_bad_rows=True)
    assert found.ids == ("0", "2", "4")
    np.testing.assert_array_equal(found.x, [[1, 1], [2, 3], [4, 4]])


def test_texts_and_categories_are_read_if_they_are_numbers() -> None:
    frame = pl.DataFrame({"a": ["1", "2.5", "3"], "n": [1, 2, 3], "c": ["x", "y", "x"]})
    frame = frame.with_columns(pl.col("c").cast(pl.Categorical))
    np.testing.assert_array_equal(samples(frame, label="c").x, [[1, 1], [2.5, 2], [3, 3]])
    found = samples(pl.concat([frame, frame]))
    np.testing.assert_array_equal(found.x, 2 * [[1, 1, 0], [2.5, 2, 1], [3, 3, 0]])  # x, the most frequent, is 0
    assert found.schema is not None
    assert [column.kind for column in found.schema.columns] == ["number", "count", "category"]
    assert samples(pd.DataFrame({"a": [1, 2, 3], "c": pd.Categorical(["x", "y", "x"])}), label="c").classes == (
        "x",
        "y",
    )


def test_blocks_of_columns_join_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "BLOCK", 20)
    values = RNG.integers(0, 256, (10, 64)).astype(float)
    values[3, 40] = 0.5
    frame = pl.DataFrame(values, schema=[f"c{i}" for i in range(64)])
    np.testing.assert_array_equal(samples(frame).x, values.astype(np.float32))
    whole = pl.DataFrame(np.floor(values).astype(np.int64), schema=[f"c{i}" for i in range(64)])
    np.testing.assert_array_equal(samples(whole).x.reshape(10, 64), np.floor(values))


def test_pixels_of_a_pandas_frame_with_numbers_as_names() -> None:
    pixels = RNG.integers(0, 256, (6, 784))
    found = samples(pd.DataFrame(pixels))
    assert (found.shape, found.x.dtype) == ((1, 28, 28), np.uint8)
    np.testing.assert_array_equal(found.x.reshape(6, -1), pixels)


def test_fault_19_doubled_names_of_pandas() -> None:
    with pytest.raises(DataError, match="not every column has a unique name"):
        samples(pd.DataFrame(np.zeros((2, 2)), columns=["a", "a"]))


def test_fault_24_frames_are_matched_by_name() -> None:
    frame = pl.DataFrame({"b": [2.0], "label": ["?"], "a": [1.0]})
    np.testing.assert_array_equal(samples(frame, ["a", "b"]).x, [[1, 2]])
    with pytest.raises(DataError, match="1 missing and 1 unknown"):
        samples(frame, ["a", "c"])


def test_no_frame() -> None:
    with pytest.raises(UsageError, match="f is a list, not a polars or pandas DataFrame"):
        samples([1, 2])


TYPED = pl.DataFrame(
    {
        "n": [1, 2],
        "when": [datetime(2024, 1, 1), datetime(2024, 1, 2)],
        "day": [date(2024, 1, 1)] * 2,
        "tags": [[1], [2, 3]],
        "price": [Decimal("1.5"), Decimal("2.5")],
        "raw": [b"a", b"b"],
    }
)


def test_fault_31_types_that_hold_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    TYPED.write_parquet(path)
    with pytest.raises(
        DataError, match=r't\.parquet: 2 of 6 columns hold no numbers; usable: "n", "when", "day", "price"'
    ) as e:
        read_table(path, DataConfig())
    assert [problem.split(" is ")[0] for problem in e.value.problems] == [f'column "{n}"' for n in ("tags", "raw")]
    assert "put each of its values into its own column" in e.value.problems[0]
    dropped = ("tags", "raw")
    assert e.value.fix == "leave them out with " + " ".join(f"--drop-column {name}" for name in dropped)
    dropped = ("when", "day", *dropped)
    np.testing.assert_array_equal(read_table(path, DataConfig(drop_columns=dropped)).x, [[1, 1.5], [2, 2.5]])


def test_parquet_with_labels_and_pixels(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (20, 64), dtype=np.uint8)
    frame = pl.DataFrame(pixels, schema=[f"pixel{i}" for i in range(64)]).with_columns(label=pl.Series([3, 10] * 10))
    frame.write_parquet(tmp_path / "t[1].parquet", row_group_size=7)
    found = read_table(tmp_path / "t[1].parquet", DataConfig())
    np.testing.assert_array_equal(found.x.reshape(20, 64), pixels)
    assert (found.classes, found.x.dtype, found.name) == (("3", "10"), np.uint8, "t[1]")


def test_fault_30_parquet_cut(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": RNG.normal(size=1000)}).write_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-500])
    with pytest.raises(
        DataError, match=rf"t\.parquet ends after {len(whole) - 500:,} bytes .* the file may be incomplete"
    ):
        read_table(path, DataConfig())
    path.write_bytes(whole[:100] + whole[-8:])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_table(path, DataConfig())


def test_fault_29_text_named_parquet(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"t\.parquet is named \.parquet but starts with .* looks like text"):
        read_table(tmp_path / "t.parquet", DataConfig())

"""A folder of numbered files is one set; what its values are is found from all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from isthmus.config import DataConfig
from isthmus.data.read import read
from isthmus.data.shard_sets import shards_in
from isthmus.errors import DataError
from isthmus.system.memory import at_most
from isthmus.system.scratch import is_mapped

IMAGES = np.random.default_rng(0).integers(0, 256, (25, 9, 8), dtype=np.uint8)
TABLE = np.random.default_rng(1).normal(size=(40, 3))


def arrays(folder: Path, *cuts: int, values: np.ndarray = IMAGES) -> Path:
    folder.mkdir(exist_ok=True)
    for k, part in enumerate(np.split(values, cuts)):
        np.save(folder / f"part-{k + 9}.npy", part)
    return folder


def tables(folder: Path, suffix: str, values: np.ndarray = TABLE, *, cuts: tuple[int, ...] = (10, 25)) -> Path:
    folder.mkdir()
    for k, part in enumerate(np.split(np.arange(len(values)), cuts)):
        frame = pl.DataFrame(values[part], schema=["a", "b", "c"]).with_columns(
            kind=pl.Series([f"k{i % 3}" for i in part])
        )
        path = folder / f"day_{k}.{suffix}"
        frame.write_csv(path) if suffix == "csv" else frame.write_parquet(path)
    return folder


@pytest.mark.parametrize("memory", [None, "1KB"])
def test_arrays_are_one_set_in_the_order_of_their_numbers(tmp_path: Path, memory: str | None) -> None:
    samples = read(arrays(tmp_path / "parts", 7, 20), DataConfig(memory=memory)).train
    np.testing.assert_array_equal(samples.x[:, 0], IMAGES)
    assert samples.x.dtype == np.uint8
    assert [samples.id_of(i) for i in (0, 7, 19, 24)] == ["part-9/0", "part-10/0", "part-10/12", "part-11/4"]
    assert samples.notes[0] == "parts: 3 files are read as one set, part-9.npy to part-11.npy."
    assert is_mapped(samples.x) == (memory is not None)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("memory", [None, "300"])
def test_tables_are_one_set_with_all_their_classes(tmp_path: Path, suffix: str, memory: str | None) -> None:
    samples = read(tables(tmp_path / "days", suffix), DataConfig(label="kind", memory=memory)).train
    np.testing.assert_array_equal(samples.x, TABLE.astype(np.float32))
    assert samples.labels is not None
    assert samples.labels.tolist() == [i % 3 for i in range(40)]
    assert (samples.columns, samples.classes, samples.label_column) == (("a", "b", "c"), ("k0", "k1", "k2"), "kind")
    assert is_mapped(samples.x) == (memory is not None)


def test_what_the_values_are_is_found_from_all_files(tmp_path: Path) -> None:
    """The first file alone would be read as black and white, 1 being white."""
    values = np.concatenate([IMAGES[:10] % 2, IMAGES[10:]]).astype(np.int64)
    samples = read(arrays(tmp_path / "parts", 10, values=values)).train
    assert samples.x.dtype == np.uint8
    np.testing.assert_array_equal(samples.x[:, 0], values)


def test_bytes_in_tables_are_images_only_if_all_of_them_are(tmp_path: Path) -> None:
    pixels = IMAGES[:, :8].reshape(25, 64)
    for k, rows in enumerate((slice(0, 12), slice(12, 25))):
        pl.DataFrame(pixels[rows], schema=[f"pixel{i}" for i in range(64)]).write_parquet(tmp_path / f"p{k}.parquet")
    np.testing.assert_array_equal(read(tmp_path).train.x[:, 0], IMAGES[:, :8])
    odd = pl.read_parquet(tmp_path / "p1.parquet").with_columns(pixel3=0.5)
    odd.write_parquet(tmp_path / "p1.parquet")
    assert read(tmp_path).train.x.shape == (25, 64)


def test_digits_that_one_file_needs_all_get(tmp_path: Path) -> None:
    values = np.concatenate([TABLE[:20], 1.7e9 + 100 * TABLE[20:]])
    samples = read(tables(tmp_path / "days", "csv", values, cuts=(20,)), DataConfig(label="kind")).train
    assert samples.x.dtype == np.float64
    np.testing.assert_array_equal(samples.x, values)


@pytest.mark.parametrize(
    "names", [("train.csv", "test.csv"), ("x.npy", "y.npy"), ("a1.csv", "b1.csv"), ("a1.csv", "a1.npy"), ("a.csv",)]
)
def test_fault_152_files_that_need_not_belong_together_are_no_shards(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).write_text("a\n1\n2\n")
    assert shards_in(sorted(tmp_path.iterdir())) == []
    alone = "no images, only a single table or array"
    several = "tables or arrays whose names differ in more than their numbers"
    with pytest.raises(DataError, match=several if len(names) > 1 else alone):
        read(tmp_path)


def test_fault_152_shards_of_another_shape_or_other_columns_are_named(tmp_path: Path) -> None:
    folder = arrays(tmp_path / "parts", 7)
    np.save(folder / "part-12.npy", IMAGES[:, :5])
    with pytest.raises(DataError, match=r"part-12\.npy has shape \(25, 5, 8\), but part-9\.npy has \(7, 9, 8\)"):
        read(folder)
    days = tables(tmp_path / "days", "csv")
    (days / "day_7.csv").write_text("a,b,kind\n1,2,k1\n")
    with pytest.raises(DataError, match=r'1 of 4 files does not have the columns of day_0\.csv: day_7\.csv lacks "c"'):
        read(days, DataConfig(label="kind"))


def test_fault_152_gaps_and_kinds_in_a_later_file_are_told(tmp_path: Path) -> None:
    days = tables(tmp_path / "days", "csv")
    (days / "day_7.csv").write_text("a,b,c,kind\n1,,3,k1\n1,2,3,k2\n")
    found = read(days, DataConfig(label="kind")).train  # the model sees the gap
    assert found.schema is not None
    assert np.argwhere(np.isnan(found.x)).tolist() == [[40, 1]]
    with pytest.raises(DataError, match=r'column "b": 1 missing value, the first in day_7\.csv, row 2'):
        read(days, DataConfig(label="kind", kinds=("a=number",), missing="error"))
    assert len(read(days, DataConfig(label="kind", missing="drop")).train) == 41
    (days / "day_7.csv").write_text("a,b,c,kind\n1,tea,3,k1\n")
    with pytest.raises(DataError, match=r'"b" holds numbers in day_0\.csv, but text in day_7\.csv') as caught:
        read(days, DataConfig(label="kind"))
    assert "--column b=category" in str(caught.value.fix)
    assert len(read(days, DataConfig(label="kind", kinds=("b=category",))).train) == 41


def test_larger_files_than_memory_are_read_by_groups_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame(TABLE, schema=["a", "b", "c"])
    frame.with_columns(time=1.7e9 + pl.int_range(40)).write_parquet(path, row_group_size=7)
    with at_most(300):
        samples = read(path).train
    assert (is_mapped(samples.x), samples.x.dtype) == (True, np.float64)
    np.testing.assert_array_equal(samples.x[:, :3], TABLE)


def test_options_for_columns_apply_to_all_files(tmp_path: Path) -> None:
    for k in range(2):
        pl.DataFrame({"a": [1.5, -999.0, 3.0], "b": [1.0, 2.0, 4.5]}).write_parquet(tmp_path / f"p{k}.parquet")
    found = read(tmp_path, DataConfig(null_values=("-999",))).train
    assert np.argwhere(np.isnan(found.x)).tolist() == [[1, 0], [4, 0]]
    assert not any("no cell matches" in note for note in found.notes)
    assert any("no cell matches" in note for note in read(tmp_path, DataConfig(null_values=("-998",))).train.notes)
    found = read(tmp_path, DataConfig(kinds=("b=category",))).train
    assert found.schema is not None
    assert [column.kind for column in found.schema.columns] == ["number", "category"]
    assert read(tmp_path).train.schema is None

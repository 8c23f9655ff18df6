"""Words that stand for no value because somebody said so: found by text or by value, kept with the model, offered."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from isthmus.config import DataConfig
from isthmus.data.arrays.ndarrays import samples_from_array
from isthmus.data.batching.input_conversion import Carrier
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.samples import Samples
from isthmus.data.schema import Schema, TableColumn
from isthmus.data.tables.cells import Style
from isthmus.data.tables.null_values import NullValues, blanked_raw, is_null
from isthmus.data.tables.reading import read_table, samples_from_frame
from isthmus.errors import DataError

N = 60
AGES = [None if i % 7 == 0 else 20 + i for i in range(N)]
SIZES = [None if i % 5 == 0 else i / 4 for i in range(N)]
CITIES = [None if i % 9 == 0 else ["Bonn", "Rom"][i % 2] for i in range(N)]


def _text(age: str, size: str, city: str, comma: bool = False) -> str:
    rows = ["age;size;city"]
    for a, s, c in zip(AGES, SIZES, CITIES, strict=True):
        number = size if s is None else str(s)
        rows.append(
            f"{age if a is None else a};{number.replace('.', ',') if comma else number};{city if c is None else c}"
        )
    return "\n".join(rows) + "\n"


def assert_gaps(x: np.ndarray) -> None:
    for k, cells in enumerate((AGES, SIZES, CITIES)):
        np.testing.assert_array_equal(np.isnan(x[:, k]), [cell is None for cell in cells])


@pytest.mark.parametrize(
    ("age", "size", "city", "words"),
    [
        ("-999", "n/k", "unknown", ("-999", "n/k", "unknown")),
        ("-999.00", " n/k ", "unknown ", ("age=-999", "size=n/k", "city=unknown")),
        ("refused", "9999", "0", ("refused", "9999", "0")),
    ],
)
def test_fault_149_words_for_no_value_are_gaps_in_every_kind_of_column(tmp_path, age, size, city, words):
    path = tmp_path / "a.csv"
    path.write_text(_text(age, size, city))
    found = read_table(path, DataConfig(null_values=words))
    assert found.schema is not None
    if "0" in words:  # which is a size as well
        assert np.isnan(found.x[:, 1]).sum() == SIZES.count(None) + SIZES.count(0.0)
        found = read_table(path, DataConfig(null_values=("refused", "9999", "city=0")))
    assert_gaps(found.x)
    assert [column.kind for column in found.schema.columns] == ["count", "number", "category"]


def test_fault_149_words_hold_at_use_as_in_training_and_further_ones_come_beside(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(_text("-999", "n/k", "unknown"))
    schema = read_table(path, DataConfig(null_values=("age=-999", "n/k", "city=unknown"))).schema
    assert schema is not None
    kept = Schema.from_dict(schema.as_dict())
    assert kept == schema
    assert_gaps(read_table(path, DataConfig(), expected=kept).x)
    path.write_text(_text("-999", "weiß nicht", "unknown"))
    with pytest.raises(DataError, match="not usable numbers") as caught:
        read_table(path, DataConfig(), expected=kept)
    assert caught.value.fix == "pass --null-values 'weiß nicht'"
    assert_gaps(read_table(path, DataConfig(null_values=("weiß nicht",)), expected=kept).x)


def test_fault_149_words_are_gaps_in_frames_and_in_numbers_with_a_comma(tmp_path):
    frame = pl.DataFrame({"age": [-999 if a is None else a for a in AGES], "size": SIZES, "city": CITIES})
    frame = frame.with_columns(pl.col("age").cast(pl.Int16), pl.col("size").fill_null(-999.0).cast(pl.Float32))
    options = DataConfig(null_values=("-999",))
    assert_gaps(samples_from_frame(frame, name="x", options=options).x)
    frame.write_parquet(tmp_path / "a.parquet")
    assert_gaps(read_table(tmp_path / "a.parquet", options).x)
    path = tmp_path / "a.csv"
    path.write_text(_text("-999", "-999.0", "", comma=True))
    assert_gaps(read_table(path, options).x)


def test_fault_149_a_run_without_kinds_takes_words_at_use(tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("a,b\n1,2\n-999,4\n5,n/k\n")
    options = DataConfig(missing="median", null_values=("-999", "n/k"))
    found = read_table(path, options, expected=("a", "b"))
    np.testing.assert_array_equal(found.x, [[1, 2], [np.nan, 4], [5, np.nan]])


def test_fault_149_words_that_no_cell_is_are_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(_text("n/k", "n/k", "n/k"))
    notes = " ".join(read_table(path, DataConfig(null_values=("n/k", "agee=-1", "age=-1"))).notes)
    assert 'no cell matches "agee=-1", "age=-1" from --null-values' in notes


@pytest.mark.parametrize(
    ("column", "word", "expected"),
    [
        (pl.Series(["007", "7", "7.0", " 7"]), "7", [False, True, True, True]),
        (pl.Series(["N/K", "n/k", None]), "n/k", [False, True, False]),
        (pl.Series([2**63 - 1, 2**63 - 2, None], dtype=pl.Int64), str(2**63 - 1), [True, False, False]),
        (pl.Series([1, 255, None], dtype=pl.UInt8), "-999", [False, False, False]),
        (pl.Series([1.0, float("nan")]), "n/k", [False, False]),
        (pl.Series([date(9999, 12, 31), date(2024, 1, 1)]), "9999-12-31", [True, False]),
        (pl.Series([datetime(1900, 1, 1), datetime(1900, 1, 1, 5)]), "1900-01-01", [True, False]),
        (pl.Series([True, False]), "true", [True, False]),
        (pl.Series([[1], [2]]), "1", [False, False]),
        (pl.Series([-999.9, 1], dtype=pl.Float32), "-999.9", [True, False]),
        (pl.Series([1e20, 1.0, float("inf")]), "1.0E+20", [True, False, False]),
        (pl.Series([float("inf"), 1.0], dtype=pl.Float32), "1e300", [False, False]),
        (pl.Series([timedelta(1)]), "1", [False]),
        (pl.Series([b"\xff"]), "1", [False]),
    ],
)
def test_a_cell_is_a_word_by_its_text_or_its_value(column, word, expected):
    assert is_null(column, word).to_list() == expected
    kept = NullValues((word,), ["c"]).blanked(column.alias("0").to_frame(), ["c"], Style())
    assert kept.schema == {"0": column.dtype}


@pytest.mark.parametrize(
    ("cells", "offered"),
    [
        (["1.5", "2", "n/k"], "--null-values n/k"),
        (["1.5", "2", "n/k", "-"], "--null-values n/k"),
        (["1.5", "2", "weiß nicht", "refused"], "--null-values 'weiß nicht' --null-values refused"),
        (["1.5", "2", "a", "b", "c", "d"], None),
        (["1.5", "2", "12 kg"], None),
    ],
)
def test_words_beside_numbers_are_offered_as_no_values(tmp_path, cells, offered):
    path = tmp_path / "a.csv"
    few = [cells[i % len(cells)] for i in range(N)]
    path.write_text("a,b\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(few)))
    try:
        said = " ".join(read_table(path, DataConfig()).notes)
    except DataError as error:
        said = str(error.fix)
    assert offered in said if offered else "--null-values" not in said
    if offered:
        words = tuple(word.strip().strip("'") for word in offered.split("--null-values ")[1:])
        schema = read_table(path, DataConfig(null_values=words)).schema
        assert schema is not None
        assert schema.columns[0].kind == "number"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_fault_160_new_rows_need_no_label(tmp_path, suffix):
    def write(labels: list[str | None]) -> None:
        frame = pl.DataFrame({"size": SIZES, "city": CITIES, "kind": labels})
        path = tmp_path / f"a.{suffix}"
        (frame.write_csv if suffix == "csv" else frame.write_parquet)(path)

    options = DataConfig(label="kind")
    write(["x", "y"] * (N // 2))
    known = read_table(tmp_path / f"a.{suffix}", options)
    assert known.labels is not None
    some = f'column "kind" has gaps: {N // 2:,} rows without a label'
    for labels, places, told in (
        (["x", None] * (N // 2), [0, -1] * (N // 2), some),
        ([None] * N, None, 'column "kind" is left out: it is empty'),
    ):
        write(labels)
        with pytest.raises(DataError, match=r'column "kind"'):  # to train on
            read_table(tmp_path / f"a.{suffix}", options)
        found = read_table(tmp_path / f"a.{suffix}", options, expected=known.schema)
        assert (None if found.labels is None else found.labels.tolist()) == places
        assert told in " ".join(found.notes)
        np.testing.assert_array_equal(found.x, known.x)
    for expected in (known.schema, ("size",)):  # of a run that left rows with gaps out
        left = ("city",) if expected == ("size",) else ()
        options = DataConfig(label="kind", missing="drop", drop_columns=left)
        with pytest.raises(DataError, match="0 data rows") as caught:
            read_table(tmp_path / f"a.{suffix}", options, expected=expected)
        assert caught.value.fix == "pass --missing auto; rows then need no label"


@pytest.mark.parametrize("rows", [2, 40])
def test_other_words_for_yes_and_no_are_told_as_such_and_not_offered_as_no_values(tmp_path, rows):
    path, truths = tmp_path / "a.csv", ["ja", "nein"] * 30
    path.write_text("size,paid\n" + "".join(f"{i}.5,{word}\n" for i, word in enumerate(truths)))
    schema = read_table(path, DataConfig()).schema
    path.write_text("size,paid\n" + "".join(f"{i}.5,{'yes' if i < rows else w}\n" for i, w in enumerate(truths)))
    with pytest.raises(DataError, match=r'"yes".* is neither "nein" nor "ja"') as caught:
        read_table(path, DataConfig(), expected=schema)
    assert "--null-values" not in str(caught.value.fix)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int64"])
def test_fault_174_numbers_of_arrays_are_gaps_however_they_are_kept(dtype):
    word = "-999.9" if dtype.startswith("float") else "-999"
    x = np.arange(40.0).reshape(20, 2)
    x[::3, 1] = float(word)
    found = samples_from_array(x.astype(dtype), name="x", options=DataConfig(null_values=(word,)))
    np.testing.assert_array_equal(np.isnan(found.x), x < 0)
    assert found.schema is not None
    assert {column.nulls for column in found.schema.columns} == {(word,)}
    options = DataConfig(null_values=(f"b={word}",), missing="median")  # of a run whose columns are all numbers
    found = samples_from_array(x.astype(dtype), name="x", options=options, expected=("a", "b"))
    np.testing.assert_array_equal(np.isnan(found.x), x < 0)
    pixels = np.tile(x, (1, 8)).astype(dtype)
    with pytest.raises(DataError, match="missing"):  # images have no gaps
        samples_from_array(pixels, name="x", options=DataConfig(null_values=(word,), shape="4x4"))


def test_fault_174_the_option_for_a_number_of_an_array_works_on_it():
    x = np.arange(80.0).reshape(40, 2)
    x[::3, 1] = -999
    told = " ".join(samples_from_array(x, name="x", options=DataConfig()).notes)
    word = told.partition("--null-values ")[2].rstrip(".")
    found = samples_from_array(x, name="x", options=DataConfig(null_values=(word,)))
    np.testing.assert_array_equal(np.isnan(found.x), x < 0)


def test_fault_174_a_trained_model_blanks_its_words_in_arrays_of_python():
    schema = Schema((TableColumn("a", "number"), TableColumn("b", "count", nulls=("-999",))))
    for dtype in ("int64", "float32"):
        raw = np.array([[-999, 1], [2, -999], [3, 4]], dtype)
        np.testing.assert_array_equal(blanked_raw(raw, schema), [[-999, 1], [2, np.nan], [3, 4]])
        train = Samples(np.arange(8.0).reshape(4, 2), "x", columns=("a", "b"), schema=schema)
        carried = Carrier(raw, fit_preprocess(train, "auto")).raw.numpy()
        np.testing.assert_array_equal(carried, [[-999, 1], [2, np.nan], [3, 4]])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("a=-1", [("-1",), (), ()]),
        ("a=b=-1", [(), ("-1",), ()]),
        ("a=n=k", [("n=k",), (), ()]),
        ("c= =", [(), (), ("=",)]),
        ("d=-1", [("d=-1",)] * 3),
        ("=", [("=",)] * 3),
    ],
)
def test_a_word_of_one_column_is_divided_where_a_name_ends(asked, words):
    names = ["a", "a=b", "c"]
    assert NullValues((asked,), names).words == dict(zip(names, words, strict=True))


def test_a_schema_of_an_earlier_version_has_no_words_but_levels():
    kept = Schema((TableColumn("a", "number", nulls=("-1",)),)).as_dict()
    del kept["columns"][0]["nulls"]
    assert Schema.from_dict(kept).columns == (TableColumn("a", "number"),)
    del kept["columns"][0]["levels"]
    with pytest.raises(KeyError):
        Schema.from_dict(kept)

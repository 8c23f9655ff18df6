"""Whole tables, from file to samples."""

import gzip
import tracemalloc
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.config import DataConfig
from isthmus.data.read import read as read_source
from isthmus.data.samples import Samples
from isthmus.data.tables import frames, text
from isthmus.data.tables.reading import read_table, samples_from_frame
from isthmus.data.tables.text import chunks_of_lines
from isthmus.errors import DataError, IsthmusError, ResourceError, UsageError

RNG = np.random.default_rng(0)


@pytest.fixture
def read(tmp_path: Path):
    def read(
        content: str | bytes, *, name: str = "t.csv", expected: list[str] | None = None, **options: object
    ) -> Samples:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, DataConfig(**options), expected=expected)  # type: ignore[arg-type]

    return read


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "chunks_of_lines", partial(chunks_of_lines, size=64))


def labels_of(samples: Samples) -> list[str]:
    assert samples.labels is not None
    return [samples.classes[i] for i in samples.labels]


def test_shipped_table() -> None:
    path = Path(str(files("isthmus.data") / "mnist-2k.csv.gz"))
    found = read_table(path, DataConfig())
    reference = pd.read_csv(path)
    np.testing.assert_array_equal(found.x.reshape(2000, -1), reference.drop(columns="label"))
    assert (found.shape, found.x.dtype, found.label_column, found.name) == ((1, 28, 28), np.uint8, "label", "mnist-2k")
    assert labels_of(found) == reference["label"].astype(str).tolist()
    assert found.columns == tuple(f"pixel{i}" for i in range(784))
    assert any("read as gray images of 28x28" in note for note in found.notes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=st.lists(st.tuples(*[st.floats(width=32, allow_nan=False, allow_infinity=False)] * 3), min_size=2))
def test_numbers_are_read_exactly(read, values: list[tuple[float, ...]]) -> None:
    text = "a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in values)
    np.testing.assert_array_equal(read(text).x, np.array(values, np.float32))


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_chunks_make_no_difference(read, name: str) -> None:
    frame = pd.DataFrame(RNG.normal(size=(200, 3)), columns=list("abc"))
    frame["label"] = RNG.choice(["x", 'y "z"', "w, v"], 200)
    content = frame.to_csv(index=False).encode()
    found = read(gzip.compress(content) if name.endswith("gz") else content, name=name)
    np.testing.assert_array_equal(found.x, frame[list("abc")].to_numpy(np.float32))
    assert labels_of(found) == frame["label"].tolist()


@pytest.mark.usefixtures("small_chunks")
def test_whole_numbers_that_turn_into_fractions_late(read) -> None:
    rows = [[i, i % 7] for i in range(100)] + [[0.5, 300]]
    found = read("a,b\n" + "".join(f"{a},{b}\n" for a, b in rows))
    np.testing.assert_array_equal(found.x, np.array(rows, np.float32))


@pytest.mark.usefixtures("small_chunks")
def test_faults_of_all_chunks_in_one_error(read) -> None:
    rows = [f"{i}.5,{i},c{i % 2}" for i in range(100)]
    rows[20], rows[50], rows[70], rows[90] = "20,hello,c", "50,1", "70,,c1", "90,1,c,4"
    with pytest.raises(DataError) as e:
        read("a,b,kind\n" + "\n".join(rows) + "\n", label="kind", missing="error")
    assert e.value.message == (
        "t.csv: 1 cell is not a usable number, 2 rows have too many or too few fields, 1 value is missing in 1 column. "
        "Rows are counted as in an editor; the header is row 1."
    )
    assert e.value.problems == (
        'row 22, column "b": "hello" is not a number',
        'row 52: expected 3 fields, found 2: "50,1"',
        'row 92: expected 3 fields, found 4: "90,1,c,4"',
        'column "b": 1 missing value, the first in row 72 (empty)',
    )
    found = read("a,b,kind\n" + "\n".join(rows) + "\n", label="kind", skip_bad_rows=True, missing="drop")
    kept = [i for i in range(100) if i not in (20, 50, 70, 90)]
    assert found.x[:, 1].tolist() == kept
    assert len(found) == len(found.ids or ()) == 96


def test_fault_11_row_too_long(read) -> None:
    with pytest.raises(DataError, match=r't\.csv, row 3: expected 2 fields, found 3: "3,4,5"'):
        read("a,b\n1,2\n3,4,5\n6,7\n")


def test_fault_12_row_too_short(read) -> None:
    with pytest.raises(DataError, match=r't\.csv, row 3: expected 3 fields, found 2: "4,5"'):
        read("a,b,c\n1,2,3\n4,5\n6,7,8\n")


def test_fault_13_text_in_numeric_column(read) -> None:
    text = "a,b\n" + "1,2\n" * 300 + "3,hello\n" + "1,2\n" * 99
    with pytest.raises(DataError) as e:
        read(text)
    assert str(e.value) == (
        'error[DATA-ROW]: t.csv, row 302, column "b": "hello" is not a number. '
        "Rows are counted as in an editor; the header is row 1.\n"
        "fix: correct the row, or pass --skip-bad-rows (1 of 400 rows would be skipped)"
    )
    assert e.value.exit_code == 3
    assert len(read(text, skip_bad_rows=True)) == 399


def test_fault_14_missing_values(read) -> None:
    text = "a,b\n1,NA\n2,-\n3,\n4,8\n5,10\n"
    with pytest.raises(DataError, match='column "b": 3 missing values, the first in row 2') as e:
        read(text, missing="error")
    assert e.value.code == "DATA-MISSING"
    assert "--missing drop (3 of 5 rows left out), or --missing median" in str(e.value.fix)
    assert read(text, missing="drop").x.tolist() == [[4, 8], [5, 10]]
    np.testing.assert_array_equal(read(text, missing="median").x[:, 1], [np.nan, np.nan, np.nan, 8, 10])


def test_fault_15_infinite_values(read) -> None:
    with pytest.raises(DataError, match="2 cells are not usable numbers"):
        read("a,b\n1,2\ninf,3\n4,1e308\n5,6\n7,8\n")


def test_fault_16_semicolons_and_decimal_commas(read) -> None:
    found = read("a;b\n1,5;2\n2,5;3\n")
    assert found.x.tolist() == [[1.5, 2], [2.5, 3]]
    assert "semicolons between cells and numbers with decimal commas" in found.notes[0]
    assert read("a\tb\n1\t2\n3\t4\n", name="t.tsv").x.tolist() == [[1, 2], [3, 4]]
    assert read("a  b\n1   2\n3 4\n", name="t.txt").x.tolist() == [[1, 2], [3, 4]]


def test_fault_17_encodings(read) -> None:
    text = "größe,b\n1,2\n3,4\n"
    assert read(text.encode("utf-16")).columns == ("größe", "b")
    assert read(text.encode("utf-8-sig")).columns == ("größe", "b")
    with pytest.raises(DataError, match=r"byte 2 \(row 1\) is 0xf6"):
        read(text.encode("latin-1"))
    assert read(text.encode("latin-1"), encoding="latin-1").columns == ("größe", "b")
    with pytest.raises(DataError, match="is NUL"):
        read(b"a,b\n1,2\n3,\x004\n")


def test_fault_18_no_header(read) -> None:
    text = "1,2\n3,4\n5,6\n"
    with pytest.raises(DataError, match="the first row looks like data"):
        read(text)
    found = read(text, header="no")
    assert (found.x.tolist(), found.columns) == ([[1, 2], [3, 4], [5, 6]], ("column_1", "column_2"))


def test_fault_18_published_digits_without_header(read) -> None:
    pixels, digits = RNG.integers(0, 256, (40, 784)), RNG.integers(0, 10, 40)
    text = "\n".join(",".join(map(str, [d, *row])) for d, row in zip(digits, pixels, strict=True))
    found = read(text, header="no")
    np.testing.assert_array_equal(found.x.reshape(40, -1), pixels)
    assert labels_of(found) == [str(d) for d in digits]
    assert "column_1 is used as the label" in found.notes[0]


def test_fault_19_column_names(read) -> None:
    with pytest.raises(DataError, match="not every column has a unique name") as e:
        read("a,a, ,b\n1,2,3,4\n5,6,7,8\n")
    assert len(e.value.problems) == 2
    index = pd.DataFrame({"a": [1, 3], "b": [2, 4]}).to_csv()
    with pytest.raises(DataError, match="a unique name") as e:
        read(index)
    assert "--drop-column column_1" in str(e.value.fix)
    assert read(index, drop_columns=("column_1",)).x.tolist() == [[1, 2], [3, 4]]


def test_fault_20_unclosed_quote(read) -> None:
    with pytest.raises(DataError, match="row 3: a quote opens here and never closes"):
        read('a,b,label\n1,2,"x"\n3,"4,y\n5,6,"z"\n5,6,"z"\n')


def test_fault_21_grouped_numbers(read) -> None:
    text = 'a,b\n"1,234",1\n"5,678",2\n9,3\n8,4\n7,5\n'
    with pytest.raises(DataError, match="2 cells are not usable numbers") as e:
        read(text)
    assert e.value.fix == 'pass --thousands ","'
    assert read(text, thousands=",").x[:, 0].tolist() == [1234, 5678, 9, 8, 7]
    with pytest.raises(DataError, match="which is a percentage"):
        read("a,b\n12 %,1\n13 %,2\n")


def test_fault_22_too_few_rows(read) -> None:
    for content, words in (
        ("", r"is empty \(0 bytes\)"),
        ("\n\n", "only blank lines"),
        ("a,b\n", "0 data rows; at least 2"),
    ):
        with pytest.raises(DataError, match=words):
            read(content)
    with pytest.raises(DataError, match="1 data row; at least 2 needed"):
        read("a,b\n1,2\n")
    with pytest.raises(DataError, match="0 data rows; at least 1 needed"):
        read("a,b\n", expected=["a", "b"])


def test_fault_23_constant_column(read) -> None:
    assert 'column "b" never changes, so there is nothing to learn' in read("a,b\n1.5,2\n3,2\n").notes[0]


def test_fault_24_columns_at_predict_time(read) -> None:
    found = read("label,b,a\nx,2,1\n", expected=["a", "b"])
    assert (found.x.tolist(), found.columns, labels_of(found)) == ([[1, 2]], ("a", "b"), ["x"])
    assert read("b,a\n2,1\n", expected=["a", "b"], label="kind").labels is None
    assert read("1,2\n", expected=["a", "b"], header="no").columns == ("a", "b")
    with pytest.raises(
        DataError, match=r"t\.csv does not have the columns that the model was trained on: 1 missing and 1 unknown"
    ):
        read("a,c\n1,2\n", expected=["a", "b"])
    measured = read("label,a\n" + "".join(f"{i / 7},{i}\n" for i in range(99)), expected=["a"])
    assert measured.labels is None
    assert "is left out: it has" in measured.notes[0]


def test_fault_25_identifier_left_in(read) -> None:
    text = "id,a\n" + "".join(f"{i},{i % 3}.5\n" for i in range(30))
    assert "leave it out with --drop-column id" in read(text).notes[0]


def test_fault_26_larger_than_memory_is_refused_by_estimate(read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.system.memory.available_bytes", lambda: 10_000)
    monkeypatch.setattr("isthmus.system.scratch.kind_of_disk", lambda folder: "tmpfs")  # which is memory too
    with pytest.raises(ResourceError, match=r"t\.csv needs .*, but only 8\.0 kB of memory may be used") as e:
        read("a,b\n" + "1.5,2.5\n" * 20_000)
    assert e.value.exit_code == 5


def test_fault_26_peak_is_about_the_final_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "chunks_of_lines", partial(chunks_of_lines, size=1 << 16))
    path = tmp_path / "t.csv"
    pl.DataFrame(RNG.integers(0, 256, (20_000, 100), dtype=np.uint8)).write_csv(path)
    tracemalloc.start()
    found = read_table(path, DataConfig(shape="table"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    final = 20_000 * 100
    assert path.stat().st_size > 3 * final
    assert found.x.shape == (20_000, 100)
    assert peak < 4 * final + final + 3_000_000  # the float32 table, the bytes it was read as, and a chunk in work


@pytest.mark.parametrize(
    ("head", "words"),
    [(b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"), (b"<!DOCTYPE html><p>", "HTML"), (b"PK\x03\x04\x14\0", "zip")],
)
def test_fault_29_other_content_named_csv(read, head: bytes, words: str) -> None:
    with pytest.raises(DataError, match=rf"t\.csv is named \.csv but starts with .* looks like an? .*{words[-4:]}"):
        read(head + bytes(range(32, 127)))


def test_labels_of_every_kind(read) -> None:
    numbers = read("kind,a\n10,1\n9,2\n1.0,3\n10,5\n", label="kind")
    assert (numbers.classes, labels_of(numbers)) == (("1", "9", "10"), ["10", "9", "1", "10"])
    words = read("a,Target\n1, b \n2,a\n3,b\n")
    assert (words.classes, words.label_column) == (("a", "b"), "Target")
    with pytest.raises(DataError, match='has no column "knd" for --label') as e:
        read("kind,a\nx,1\ny,2\n", label="knd")
    assert e.value.fix == "did you mean --label kind?"


def test_quantity_as_label(read) -> None:
    text = "y,a\n" + "".join(f"{i / 7},{i % 5}.5\n" for i in range(60))
    with pytest.raises(DataError, match='column "y" cannot be the label: it has 60 different fractions'):
        read(text, label="y")
    found = read(text)
    assert (found.columns, found.labels) == (("y", "a"), None)
    assert 'column "y" is not used as the label' in found.notes[0]


def test_missing_labels(read) -> None:
    text = "kind,a\nx,1\n,2\ny,3\nx,4\n"
    with pytest.raises(DataError, match='column "kind": 1 missing value') as e:
        read(text, label="kind")
    assert e.value.fix == "pass --missing drop (1 of 4 rows left out)"
    assert labels_of(read(text, label="kind", missing="drop")) == ["x", "y", "x"]
    with pytest.raises(DataError, match="has gaps, and a median cannot fill a label"):
        read(text, label="kind", missing="median")


def test_large_whole_numbers(read) -> None:
    assert 'column "a" has whole numbers above 16,777,216' in read("a,b\n16777217,1.5\n3,2\n").notes[0]


def test_dropped_text_column_and_options_that_fail(read) -> None:
    text = "a,city\n1,Rome\n2,\n3,Oslo\n"
    assert read(text, drop_columns=("city",)).x.tolist() == [[1], [2], [3]]
    found = read("a,city\n1,Rome\n2,Paris\n3,Oslo\n")
    assert found.columns == ("a",)  # texts that never come again say nothing of each other
    assert any("city  text" in note for note in found.notes)
    with pytest.raises(UsageError, match="--shape 'big' is not an image shape"):
        read("a,b\n1,2\n3,4\n", shape="big")


def test_floats_of_pixels_keep_their_range(read) -> None:
    pixels = RNG.random((5, 64)).round(4)
    text = pd.DataFrame(pixels, columns=[f"pixel{i}" for i in range(64)]).to_csv(index=False)
    np.testing.assert_array_equal(read(text, shape="8x8").x.reshape(5, 64), pixels.astype(np.float32))
    ones = pd.DataFrame((pixels > 0.5).astype(int)).to_csv(index=False)
    found = read(ones, shape="8x8", header="yes")
    assert (found.x.dtype, found.x.max()) == (np.float32, 1)


FRAGMENTS = st.sampled_from(
    ["1", "2.5", "-3e4", "x", "", "NA", '"', ",", ";", "\t", " ", "\n", "\r\n", "a", "é", "inf", "1,5", "%"]
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(parts=st.lists(FRAGMENTS, max_size=60), drop=st.booleans(), noise=st.binary(max_size=3))
def test_any_text_gives_finite_numbers_or_an_error(read, parts: list[str], drop: bool, noise: bytes) -> None:
    options = {"missing": "drop", "skip_bad_rows": True, "header": "no"} if drop else {}
    try:
        x = read("".join(parts).encode() + noise, **options).x
    except IsthmusError as error:
        x = np.zeros(error.exit_code)
    assert np.isfinite(x).all()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    cells=st.lists(
        st.lists(st.sampled_from(["1", "-2.5", "1e3", "", "x", "NA", " 7 "]), min_size=1, max_size=4), min_size=2
    )
)
def test_skipping_leaves_exactly_the_good_rows(read, cells: list[list[str]]) -> None:
    """Against a reading with plain Python: rows of the right length that are all numbers."""

    def is_good(row: list[str]) -> bool:
        return len(row) == 3 and all(cell.strip() in {"1", "-2.5", "1e3", "7"} for cell in row)

    good = [[float(cell) for cell in row] for row in cells if is_good(row)]
    text = "a,b,c\n" + "1,1,1\n" * 99 + "\n".join(",".join(row) for row in cells) + "\n"
    x = read(text, skip_bad_rows=True, missing="drop").x
    np.testing.assert_array_equal(x, np.array([[1, 1, 1]] * 99 + good, np.float32))


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame", "array"])
def test_fault_90_a_large_offset_keeps_its_digits(tmp_path: Path, kind: str) -> None:
    t = np.round(1.7e9 + 1444 * RNG.normal(size=300), 3)
    frame = pl.DataFrame({"a": RNG.normal(size=300), "t": t})
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    data = {"frame": frame, "array": frame.to_numpy()}.get(kind, tmp_path / f"t.{kind}")
    found = read_source(data, DataConfig(shape="table")).train
    assert found.x.dtype == np.float64
    np.testing.assert_array_equal(found.x, frame.to_numpy())
    assert read_source(data, DataConfig(shape="table", digits="float32")).train.x.dtype == np.float32  # as before


def test_fault_90_an_offset_that_only_the_whole_table_shows(
    monkeypatch: pytest.MonkeyPatch, read, small_chunks: None
) -> None:
    """In each chunk the column is constant, and the columns before it are read before it is seen."""
    a, t = np.arange(40) + 0.1, 1.7e9 + np.arange(40) // 4 * 2.0
    text = "a,t\n" + "".join(f"{x},{y}\n" for x, y in zip(a, t, strict=True))
    monkeypatch.setattr(frames, "BLOCK", 40)  # one column at a time
    for found in (read(text), samples_from_frame(pl.DataFrame({"a": a, "t": t}), name="t", options=DataConfig())):
        np.testing.assert_array_equal(found.x, np.column_stack([a, t]))
    usual = read("a,t\n" + "".join(f"{x},{y - 1.7e9}\n" for x, y in zip(a, t, strict=True)))
    assert usual.x.dtype == np.float32  # half the memory where nothing is lost


@pytest.mark.parametrize("kind", ["csv", "parquet", "pandas"])
def test_fault_91_a_column_of_groups_is_no_feature(tmp_path: Path, kind: str) -> None:
    frame = pl.DataFrame({"a": [1.5, 2.5, 3.5, 4.5], "who": ["x", "y", "x", "z"], "b": [0.5, 1, 2, 3]})
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    data = pd.DataFrame(frame.to_dict(as_series=False)) if kind == "pandas" else tmp_path / f"t.{kind}"
    found = read_source(data, DataConfig(group="who")).train
    assert (found.columns, found.group_column) == (("a", "b"), "who")
    assert found.groups is not None
    assert found.groups.tolist() == [0, 1, 0, 2]
    np.testing.assert_array_equal(found.x, frame[["a", "b"]].to_numpy().astype(np.float32))
    assert found.take(np.array([2, 3])).groups.tolist() == [0, 2]  # type: ignore[union-attr]


def test_fault_91_groups_with_gaps_or_of_no_column_are_refused(read) -> None:
    text = "a,who\n1.5,x\n2.5,\n3.5,y\n"
    with pytest.raises(DataError, match='column "who": 1 missing value, the first in row 3') as caught:
        read(text, group="who")
    assert caught.value.fix == "pass --missing drop (1 of 3 rows left out)"
    with pytest.raises(DataError, match="a median cannot fill a group"):
        read(text, group="who", missing="median")
    dropped = read(text, group="who", missing="drop").groups
    assert dropped is not None
    assert dropped.tolist() == [0, 1]
    with pytest.raises(DataError, match='has no column "wo" for --group'):
        read(text, group="wo")
    with pytest.raises(DataError, match='"who" is the label, so it cannot name the groups'):
        read(text, group="who", label="who")


def test_fault_91_new_rows_may_come_with_their_groups_or_without(read) -> None:
    found = read("who,b,a\nx,1.5,2.5\nx,3.5,4.5\n", group="who", expected=["a", "b"])
    assert (found.columns, found.x.tolist()) == (("a", "b"), [[2.5, 1.5], [4.5, 3.5]])
    assert found.groups is not None
    assert found.groups.tolist() == [0, 0]
    assert read("b,a\n1.5,2.5\n", group="who", expected=["a", "b"]).groups is None

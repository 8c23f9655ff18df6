"""Tables whose columns are of several kinds, or have gaps, as samples; and new ones by the schema of a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from isthmus.config import DataConfig
from isthmus.data.samples import Samples
from isthmus.data.schema import Schema
from isthmus.data.series.series_reading import as_series
from isthmus.data.tables.cell_conversion import to_cells
from isthmus.data.tables.reading import read_table, samples_from_frame
from isthmus.errors import DataError

HEADER = "order,drink,paid,price,when\n"
ROWS = [f"A{100 + i},{('tea', 'milk', 'rum')[i % 3]},{('yes', 'no')[i % 2]},{i / 4:.2f},2024-01-{1 + i % 28:02d}"
        for i in range(40)]  # fmt: skip
TEXT = HEADER + "\n".join(ROWS) + "\n"


def read(tmp_path: Path, text: str, expected: Schema | None = None, **options: object) -> Samples:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    return read_table(tmp_path / "t.csv", DataConfig(**options), expected=expected)  # type: ignore[arg-type]


def kinds(samples: Samples) -> dict[str, str]:
    assert samples.schema is not None
    return {column.name: column.kind for column in samples.schema.columns}


def schema_of(samples: Samples) -> Schema:
    assert samples.schema is not None
    return samples.schema


def test_a_mixed_table_is_read_and_each_column_told_with_its_reason(tmp_path: Path) -> None:
    found = read(tmp_path, TEXT)
    assert kinds(found) == {"order": "id", "drink": "category", "paid": "yes-no", "price": "number", "when": "time"}
    assert found.columns == ("drink", "paid", "price", "when")
    np.testing.assert_array_equal(found.x[:, 2], np.arange(40) / 4)
    assert to_cells(found.x, schema_of(found))["when"][:2] == ["2024-01-01", "2024-01-02"]
    assert "5 columns, 4 used (--column NAME=KIND changes a kind)" in found.notes[0]
    assert any("drink  category  3 categories" in note for note in found.notes)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_and_decimal_commas(tmp_path: Path, delimiter: str) -> None:
    found = read(tmp_path, TEXT.replace(".", "§").replace(",", delimiter).replace("§", ","))
    assert kinds(found)["price"] == "number"
    np.testing.assert_array_equal(found.x[:, 2], np.arange(40) / 4)


def test_frames_are_read_as_files_are(tmp_path: Path) -> None:
    wanted = read(tmp_path, TEXT).x
    frame = pl.read_csv(tmp_path / "t.csv", try_parse_dates=True)
    frame = frame.with_columns(pl.col("paid") == "yes", pl.col("drink").cast(pl.Categorical))
    for given in (frame, pd.DataFrame({n: frame[n].to_list() for n in frame.columns})):
        found = samples_from_frame(given, name="f", options=DataConfig())
        np.testing.assert_array_equal(found.x, wanted)


def test_fault_14_gaps_are_told_and_seen(tmp_path: Path) -> None:
    text = "a,b\n" + "".join(f"{i / 3:.2f},{'' if i % 5 == 0 else i * i}\n" for i in range(30))
    found = read(tmp_path, text)
    assert np.isnan(found.x).sum() == 6
    (note,) = (note for note in found.notes if "6 missing values in 1 column; the model sees them as missing" in note)
    assert note.endswith(': "b" 6.')
    assert read(tmp_path, text, missing="drop").schema is None
    with pytest.raises(DataError, match="6 missing values"):
        read(tmp_path, text, missing="error")


def test_a_few_texts_among_numbers_stay_errors_with_their_rows(tmp_path: Path) -> None:
    rows = [*ROWS]
    rows[6] = rows[6].replace("1.50", "hello")
    with pytest.raises(DataError, match=r't\.csv, row 8, column "price": "hello" is not a number') as e:
        read(tmp_path, HEADER + "\n".join(rows) + "\n")
    assert "--skip-bad-rows (1 of 40 rows would be skipped)" in str(e.value.fix)
    assert len(read(tmp_path, HEADER + "\n".join(rows) + "\n", skip_bad_rows=True)) == 39


@pytest.mark.parametrize(("form", "example"), [("%Y-%m-%d", "2025-12-31"), ("%d.%m.%Y %H:%M", "31.12.2025 18:30")])
def test_a_cell_that_is_no_time_is_told_beside_one_that_is(form: str, example: str, tmp_path: Path) -> None:
    days = pl.Series(["2024-03-13", "2024-03-14", "2024-03-15"] * 20).str.to_datetime().dt.strftime(form).to_list()
    rows = [f"{day},{i}" for i, day in enumerate(days)]
    rows[6] = "soon,6"
    with pytest.raises(DataError, match=f't.csv, row 8, column "when": "soon" is not a time such as "{example}"'):
        read(tmp_path, "when,price\n" + "\n".join(rows) + "\n")


def test_short_and_long_rows_stay_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 42: expected 5 fields, found 4"):
        read(tmp_path, TEXT + "A900,tea,yes,3\n")
    with pytest.raises(DataError, match="row 42: expected 5 fields, found 6"):
        read(tmp_path, TEXT + 'A900,"tea",yes,3,2024-01-01,7\n')


def test_kinds_asked_for_and_columns_that_are_not_there(tmp_path: Path) -> None:
    found = read(tmp_path, TEXT, kinds=("price=category", "when=skip"))
    assert found.columns == ("drink", "paid", "price")
    with pytest.raises(DataError, match='no column "prize" for --column'):
        read(tmp_path, TEXT, kinds=("prize=number",))
    numbers = "a,b\n" + "".join(f"{i % 3},{i / 7:.3f}\n" for i in range(30))
    assert read(tmp_path, numbers).schema is None  # a table of numbers is read as before
    assert kinds(read(tmp_path, numbers, kinds=("a=category",))) == {"a": "category", "b": "number"}


@pytest.mark.parametrize("kind", ["category", "yes-no"])
def test_fault_179_an_empty_column_has_no_levels(tmp_path: Path, kind: str) -> None:
    table = "a,b,c\n" + "".join(f"{i / 7:.3f},{'n/a' * (i % 2)},{'xy'[i % 2]}\n" for i in range(30))
    with pytest.raises(DataError, match=f"column 'b' is empty, so it has no values for the kind {kind}") as caught:
        read(tmp_path, table, kinds=(f"b={kind}",))
    assert caught.value.fix == f"leave out --column b={kind}"
    assert kinds(read(tmp_path, table))["b"] == "constant"


def test_a_label_stays_out_and_texts_alone_need_a_word(tmp_path: Path) -> None:
    found = read(tmp_path, TEXT, label="drink")
    assert (found.classes, found.columns) == (("milk", "rum", "tea"), ("paid", "price", "when"))
    with pytest.raises(DataError, match=r"no column to learn from: name is id") as e:
        read(tmp_path, "name\n" + "".join(f"N{i}\n" for i in range(30)))
    assert e.value.fix == "set the kind of a column, as in --column name=category"
    with pytest.raises(DataError, match=r"no column to learn from: a is constant; b is constant") as e:
        read(tmp_path, "a,b\n" + "x,1\n" * 30)
    assert e.value.fix == "add a column whose values change"


@pytest.mark.parametrize("stamp", ["2021-03-04", "04.03.2021 10:00", "7"])
def test_one_time_for_all_rows_cannot_order_them(tmp_path: Path, stamp: str) -> None:
    text = "day,v\n" + "".join(f"{stamp},{i % 7 / 3:.3f}\n" for i in range(60))
    with pytest.raises(DataError, match='column "day" has the same time in all rows') as e:
        as_series(read(tmp_path, text, window=5, time="day"), DataConfig(window=5, time="day"))
    assert e.value.fix == "keep the order of the table, with --column day=skip and without --time"
    options = {"window": 5, "kinds": ("day=skip",)}
    assert len(as_series(read(tmp_path, text, **options), DataConfig(**options)).rows) == 60


def test_fault_130_new_names_at_use_are_told(tmp_path: Path) -> None:
    schema = schema_of(read(tmp_path, TEXT))
    found = read(tmp_path, TEXT.replace("rum", "gin"), schema)
    assert any('column "drink" holds values new to the model: gin (13 rows)' in note for note in found.notes)
    assert set(found.x[:, 0]) == {0.0, 1.0, 3.0}


def test_fault_131_another_time_format_at_use_is_an_error(tmp_path: Path) -> None:
    schema = schema_of(read(tmp_path, TEXT))
    with pytest.raises(DataError, match=r'column "when": .* for example "01/01/2024"'):
        read(tmp_path, TEXT.replace("2024-01-", "01/").replace("\n", "/2024\n").replace("when/2024", "when"), schema)


def test_fault_132_constants_that_changed_are_told(tmp_path: Path) -> None:
    constant = TEXT.replace("\n", ",3\n").replace("when,3", "when,firmware")
    schema = schema_of(read(tmp_path, constant))
    assert schema.left_out == ("order", "firmware")
    found = read(tmp_path, constant.replace(",3\n", ",4\n"), schema)
    assert any('column "firmware" was always "3" in training, but is "4" in 40 rows' in note for note in found.notes)
    assert len(read(tmp_path, TEXT, schema)) == 40  # it may be absent


def test_fault_133_a_word_that_is_neither_yes_nor_no_is_an_error_and_all_yes_is_none(tmp_path: Path) -> None:
    schema = schema_of(read(tmp_path, TEXT))
    assert set(read(tmp_path, TEXT.replace(",no,", ",yes,"), schema).x[:, 1]) == {1.0}
    with pytest.raises(DataError, match=r'row 3, column "paid": "maybe"'):
        read(tmp_path, TEXT.replace("A101,milk,no", "A101,milk,maybe"), schema)


def test_columns_may_come_in_another_order_and_one_row_is_enough(tmp_path: Path) -> None:
    schema = schema_of(read(tmp_path, TEXT))
    found = read(tmp_path, "when,price,paid,drink\n2024-01-03,2.5,YES,rum\n", schema)
    np.testing.assert_array_equal(found.x[0, :3], [schema.modeled[0].levels.index("rum"), 1, 2.5])
    with pytest.raises(DataError, match='missing: "price"'):
        read(tmp_path, "when,paid,drink\n2024-01-03,yes,rum\n", schema)


@pytest.mark.parametrize("cells", ["1 2 2.5 3 4", "0.5 1.5 2.5 3 4"])
def test_fault_168_a_fraction_in_a_column_of_counts_is_told_with_the_kind_that_fits(tmp_path: Path, cells: str) -> None:
    text = "a,b\n" + "\n".join(f"{cell},{i}.5" for i, cell in enumerate(cells.split()))
    with pytest.raises(DataError) as e:
        read(tmp_path, text, kinds=("a=count",))
    assert "is not a count (a whole number, 0 or more)" in f"{e.value.message} {e.value.problems}"
    assert e.value.fix == "pass --column a=number"
    assert kinds(read(tmp_path, text, kinds=("a=number",)))["a"] == "number"


def test_fault_168_a_model_that_knows_counts_offers_no_other_kind(tmp_path: Path) -> None:
    known = schema_of(read(tmp_path, "a,b\n1,x\n2,y\n3,x\n4,y\n", kinds=("a=count",)))
    with pytest.raises(DataError, match="is not a count") as e:
        read(tmp_path, "a,b\n1,x\n2.5,y\n", expected=known)
    assert "--column" not in str(e.value.fix)


def test_fault_139_codes_among_numbers_keep_their_zeros(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    codes = [f"{code:04d}" for code in rng.integers(0, 6, 80)]
    pl.DataFrame({"code": codes, "size": rng.normal(size=80).round(2)}).write_csv(tmp_path / "codes.csv")
    found = read_table(tmp_path / "codes.csv", DataConfig())
    assert found.schema is not None
    assert found.schema.columns[0].kind == "category"
    assert to_cells(found.x, found.schema)["code"] == codes
    padded = pl.DataFrame({"a": codes, "b": codes[::-1], "size": rng.normal(size=80).round(2)})
    padded.write_csv(tmp_path / "padded.csv")  # most columns: so all numbers are written there
    assert read_table(tmp_path / "padded.csv", DataConfig()).schema is None


def test_names_with_the_apostrophe_of_a_written_file_are_those_of_the_model(tmp_path: Path) -> None:
    """`write_table` puts it in front of names that a spreadsheet would run."""
    known = read(tmp_path, TEXT.replace("price,", "=price,").replace("order,", "-order,"))
    assert known.columns == ("drink", "paid", "=price", "when")
    for written in ("'-order,drink,paid,'=price,when\n", "-order,drink,paid,'=price,when\n"):
        found = read(tmp_path, TEXT.replace(HEADER, written), schema_of(known))
        np.testing.assert_array_equal(found.x, known.x)
        frame = pl.read_csv(tmp_path / "t.csv", infer_schema=False)
        again = samples_from_frame(frame, name="f", options=DataConfig(), expected=schema_of(known))
        np.testing.assert_array_equal(again.x, known.x)

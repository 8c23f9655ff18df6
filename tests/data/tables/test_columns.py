"""Names of columns: which are read, as what, and whether they fit a model."""

import shlex
from pathlib import Path

import polars as pl
import pytest

from isthmus.config import DataConfig
from isthmus.data.tables.columns import Plan, match_columns, named, plan_columns, quoted
from isthmus.data.tables.reading import read_table
from isthmus.errors import DataError


def plan(names: list[str], expected: list[str] | None = None, **options: object) -> Plan:
    return plan_columns(names, DataConfig(**options), name="t.csv", expected=expected)  # type: ignore[arg-type]


def test_label_by_option_by_name_and_none() -> None:
    assert plan(["a", "kind", "b"], label="kind")[:3] == ((0, 2), 1, False)
    assert plan(["a", "Class", "b"])[:3] == ((0, 2), 1, True)
    assert plan(["a", "b"])[:3] == ((0, 1), None, False)
    assert "is used as the label" in plan(["y", "a"]).notes[0]
    assert plan(["y", "label", "a"]).label == 1
    assert 'other columns that may be labels: "y"' in plan(["y", "label", "a"]).notes[1]
    assert plan(["y"])[:2] == ((0,), None)  # a table of one column has no label


def test_dropped_columns() -> None:
    assert plan(["a", "b", "c"], drop_columns=("b",)).features == (0, 2)
    with pytest.raises(DataError, match='has no column "hieght" for --drop-column') as e:
        plan(["height", "b"], drop_columns=("hieght",))
    assert e.value.fix == "did you mean --drop-column height?"
    with pytest.raises(DataError, match='has no column "d" for --label'):
        plan(["a", "b"], label="d")
    with pytest.raises(DataError, match="has no column besides the label"):
        plan(["a"], label="a")


def test_fault_19_names_doubled_empty_or_blank() -> None:
    with pytest.raises(DataError, match="not every column has a unique name") as e:
        plan(["a", "a", "", " ", "b"])
    assert e.value.problems == ("column_3 has no name", "column_4 has no name", '"a" is the name of columns 1, 2')
    assert e.value.code == "DATA-HEADER"
    addresses = ("column_3", "column_4", "column_2")
    assert str(e.value.fix).endswith(f"pass {' '.join(f'--drop-column {address}' for address in addresses)}")
    names = named(["a", "a", "", " ", "b"], DataConfig(drop_columns=addresses))
    assert plan(names, drop_columns=addresses).features == (0, 4)
    with pytest.raises(DataError, match="a unique name") as e:
        plan(["", "a"])
    assert "that pandas writes, leave it out with --drop-column column_1" in str(e.value.fix)
    assert plan(["column_1", "a"], drop_columns=("column_1",)).features == (1,)


def test_fault_166_an_index_without_a_name_that_holds_times_is_not_left_out() -> None:
    with pytest.raises(DataError, match="a unique name") as e:
        plan_columns(["", "a"], DataConfig(), name="t", texts=[""])
    assert (
        e.value.fix == "if it holds times, pass --column column_1=time; if it only names the rows, --column column_1=id"
    )
    for options in (DataConfig(kinds=("column_1=time",)), DataConfig(time="column_1"), DataConfig(label="column_1")):
        assert named(["", "a"], options) == ["column_1", "a"]
    assert named(["", "a", ""], DataConfig(label="a")) == ["", "a", ""]


def test_fault_24_columns_are_matched_by_name() -> None:
    assert match_columns(["b", "a", "c"], ["a", "b", "c"]) == [1, 0, 2]
    assert match_columns(["b", "kind", "a"], ["a", "b"], label="kind") == [2, 0]
    with pytest.raises(
        DataError, match="does not have the columns that the model was trained on: 1 missing and 2 unknown"
    ) as e:
        match_columns(["a", "heigth", "z"], ["a", "height"], name="new.csv")
    assert e.value.problems == ('missing: "height"', 'unknown to the model: "heigth"', 'unknown to the model: "z"')
    assert e.value.fix == 'rename "heigth" to "height"'
    assert (e.value.code, e.value.exit_code) == ("DATA-COLUMNS", 3)
    with pytest.raises(DataError, match="2 unknown") as e:
        match_columns(["a", "z", "my id"], ["a"])
    assert e.value.fix == "leave out the unknown columns with --drop-column z --drop-column 'my id'"


def test_expected_columns_decide() -> None:
    assert plan(["b", "label", "a"], ["a", "b"])[:2] == ((2, 0), 1)
    assert plan(["b", "a"], ["a", "b"], label="kind")[:2] == ((1, 0), None)
    assert plan(["a", "y"], ["a", "y"])[:2] == ((0, 1), None)  # y was a feature in training
    assert plan(["a", "id"], ["a"], drop_columns=("id", "gone")).features == (0,)
    places = plan_columns(["column_1", "column_2"], DataConfig(), name="t", expected=["h", "w"], by_place=True)
    assert places.features == (0, 1)


@pytest.mark.parametrize("name", ["a_b-1.c", "my id", "-x", "it's", '"', "$HOME", "a;b"])
def test_names_as_words_of_a_command(name: str) -> None:
    assert shlex.split(quoted(name)) == [name]


def test_fault_names_that_got_an_apostrophe_against_spreadsheets_are_known_again() -> None:
    expected = ["=cmd()", "a,b", "'own"]
    assert match_columns(["a,b", "'own", "'=cmd()"], expected) == [2, 0, 1]
    assert match_columns(["=cmd()", "a,b", "'own"], ["'=cmd()", "a,b", "'own"]) == [0, 1, 2]
    assert match_columns(["'=a", "=a"], ["=a", "'=a"]) == [1, 0]  # where both are there, each is itself
    options = DataConfig(label="=y", drop_columns=("+1",))
    plan = plan_columns(["'+1", "'=y", "x"], options, name="t.csv")
    assert (plan.features, plan.label) == ((2,), 1)


def test_fault_an_unknown_label_is_answered_with_columns_of_text_first(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": [1.5, 2.5, 3.5], "b": [1, 2, 3], "kind": ["x", "y", "x"], "c": [4, 5, 6]})
    table.write_csv(tmp_path / "t.csv")
    table.write_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        with pytest.raises(DataError, match='has no column "species" for --label') as caught:
            read_table(tmp_path / name, DataConfig(label="species"))
        assert caught.value.fix == 'the columns are "kind", "a", "b", "c"'


def test_fault_a_table_without_a_column_of_the_training_is_another_one() -> None:
    with pytest.raises(DataError, match=r"new\.csv is a different table: it has none of the model's 2 columns") as e:
        match_columns(["x", "y"], ["a", "b"], name="new.csv")
    assert e.value.fix == "use a table with the columns of the training data"
    assert len(e.value.problems) == 4


def test_fault_138_all_unknown_names_are_told_with_one_command_that_answers_them() -> None:
    options = DataConfig(label="spieces", group="islnd", drop_columns=("yaer",))
    with pytest.raises(DataError, match="t: 3 options name columns that do not exist") as e:
        plan_columns(["species", "island", "mass", "year"], options, name="t")
    assert e.value.problems[0] == '--label "spieces"; did you mean species?'
    assert e.value.fix == "pass --label species --group island --drop-column year"
    meant = DataConfig(label="species", group="island", drop_columns=("year",))
    assert plan_columns(["species", "island", "mass", "year"], meant, name="t").features == (2,)


def test_fault_138_the_fix_for_names_leaves_out_all_that_have_none_of_their_own() -> None:
    names = ["", "a", "b", "a", ""]
    with pytest.raises(DataError) as e:
        plan_columns(names, DataConfig(), name="t")
    wanted = ("column_1", "column_5", "column_4")
    assert str(e.value.fix).endswith(" ".join(f"--drop-column {column}" for column in wanted))
    found = plan_columns(named(names, DataConfig(drop_columns=wanted)), DataConfig(drop_columns=wanted), name="t")
    assert found.features == (1, 2)


def test_a_name_with_a_line_break_takes_one_line_of_the_fix() -> None:
    with pytest.raises(DataError) as e:
        match_columns(["day\nof sale", "price"], ["dayof sale", "price"])
    assert e.value.fix == r'rename "day\nof sale" to "dayof sale"'

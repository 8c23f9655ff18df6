"""What is gathered about a table, and what is told."""

import numpy as np
import pytest

from isthmus.config import DataConfig
from isthmus.data.tables import findings as module
from isthmus.data.tables.findings import Findings
from isthmus.data.tables.median_gaps import kept_gaps
from isthmus.errors import DataError


def findings(cells: list[list[str]], n_rows: int | None = None, **options: object) -> Findings:
    """Findings of a table of columns a, b, … where x marks a bad cell and - a missing one; rows are counted from 2."""
    text = np.array(cells)
    found = Findings("t.csv", list("abcdef")[: text.shape[1]], DataConfig(**options), counting="Counted.")  # type: ignore[arg-type]
    bad, missing = np.char.startswith(text, "x"), text == "-"
    found.add_cells(range(2, len(text) + 2), missing, bad, lambda i, j: str(text[i, j]), range(text.shape[1]))
    found.n_rows = n_rows or len(text)
    found.n_rows_bad, found.n_rows_missing = int(bad.any(1).sum()), int(missing.any(1).sum())
    return found


GOOD = ["1", "2"]


def test_nothing_found_nothing_said() -> None:
    assert findings([GOOD, GOOD]).conclude() == ()


def test_one_problem_is_one_sentence() -> None:
    with pytest.raises(DataError) as e:
        findings([GOOD, ["1", "xy"], GOOD, GOOD], n_rows=4000).conclude()
    assert e.value.message == 't.csv, row 3, column "b": "xy" is not a number. Counted.'
    assert e.value.fix == "correct the row, or pass --skip-bad-rows (1 of 4,000 rows would be skipped)"
    assert (e.value.code, e.value.problems) == ("DATA-ROW", ())


def test_all_problems_in_the_order_of_rows_then_the_gaps() -> None:
    found = findings([GOOD, ["x1", "x2"], ["-", "2"], ["x3", "-"], ["4", "-"], *[GOOD] * 9])
    found.add_ragged(3, 7, "1,2,3,4,5,6,7")
    found.n_rows += 1
    with pytest.raises(DataError) as e:
        found.conclude()
    assert e.value.message == (
        "t.csv: 3 cells are not usable numbers, 1 row has too many or too few fields, "
        "3 values are missing in 2 columns. Counted."
    )
    assert e.value.problems == (
        'row 3, column "a": "x1" is not a number',
        'row 3, column "b": "x2" is not a number',
        'row 3: expected 2 fields, found 7: "1,2,3,4,5,6,7"',
        'row 5, column "a": "x3" is not a number',
        'column "a": 1 missing value, the first in row 4 ("-")',
        'column "b": 2 missing values, the first in row 5 ("-")',
    )
    assert "--skip-bad-rows (3 of 15 rows would be skipped) and --missing drop (3 of 15 rows left out)" in str(
        e.value.fix
    )


def test_options_cover_their_kind_only() -> None:
    cells = [GOOD, ["x", "2"], ["-", "2"], GOOD, GOOD]
    with pytest.raises(DataError, match="1 missing value") as e:
        findings(cells, skip_bad_rows=True).conclude()
    assert e.value.code == "DATA-MISSING"
    with pytest.raises(DataError, match='"x" is not a number'):
        findings(cells, missing="drop").conclude()
    assert findings(cells, missing="drop", skip_bad_rows=True).conclude() == (
        't.csv: 1 of 5 rows was skipped; the first: row 3, column "a": "x" is not a number.',
        "t.csv: 1 of 5 rows was left out because of missing values.",
    )


def test_column_of_texts_is_told_once_and_never_skipped() -> None:
    found = findings([["xa", "1"], ["xb", "2"], ["xc", "x"], ["-", "3"]], skip_bad_rows=True, missing="drop")
    with pytest.raises(DataError, match="1 column holds text") as e:
        found.conclude()
    assert e.value.problems[0] == 'column "a": 3 of 4 rows hold no number, for example "xa" in row 2'
    assert e.value.fix == "leave it out with --drop-column a, or name the label with --label"


def test_one_option_for_all_is_proposed() -> None:
    found = findings([GOOD, GOOD, GOOD])
    marks = np.array([[True], [True], [False]])
    found.add_cells(range(2, 5), ~marks & False, marks, lambda i, j: f"{i + 1},500", [0])
    with pytest.raises(DataError) as e:
        found.conclude()
    assert e.value.fix == 'pass --thousands ","'


def test_problems_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 5)
    found = findings([["x", "x"]] * 20 + [GOOD] * 80)
    with pytest.raises(DataError, match="40 cells are not usable numbers") as e:
        found.conclude()
    assert len(e.value.problems) == 6  # five, and one example of the other column


def test_gaps_stay_until_the_training_part_is_known() -> None:
    matrix = np.array([[1, np.nan], [2, 6], [9, np.nan], [np.nan, 2]], np.float32)
    cells = [["1", "-"], ["2", "6"], ["9", "-"], ["-", "2"]]
    assert kept_gaps(matrix, findings(cells, missing="median"), range(2)) == (
        "t.csv: 3 missing values in 2 columns; they are filled with the medians of the training data.",
    )
    assert np.isnan(matrix).sum() == 3
    empty, found = np.full((2, 2), np.nan), findings([["1", "-"], ["2", "-"]], missing="median")
    with pytest.raises(DataError, match='column "a" is empty, so it has no median') as e:
        kept_gaps(empty, found, [0, 1])
    assert e.value.fix == "leave it out with --drop-column a"
    assert kept_gaps(empty, found, [0, 1], predicting=True)  # the model knows the medians


def test_long_cells_and_control_characters_are_shortened() -> None:
    found = findings([["x" + "\x1b" * 100, "1"], *[GOOD] * 5])
    with pytest.raises(DataError) as e:
        found.conclude()
    assert "\x1b" not in e.value.message
    assert "…" in e.value.message


def applied(cells: list[list[str]], fix: str) -> tuple[str, ...]:
    """What is said once the command of a fix was followed: columns left out, options set."""
    words = fix.removeprefix("pass ").partition(",")[0].split()
    dropped = ["abcdef".index(words[i + 1]) for i, word in enumerate(words) if word == "--drop-column"]
    kept = [[cell for j, cell in enumerate(row) if j not in dropped] for row in cells]
    missing = words[words.index("--missing") + 1] if "--missing" in words else "auto"
    return findings(kept, missing=missing, skip_bad_rows="--skip-bad-rows" in words).conclude()


@pytest.mark.parametrize(
    ("cells", "options"),
    [
        (
            [["xa", "1", "2"], ["xb", "2", "-"], ["xc", "3", "4"], ["xd", "x", "1"], *[["xe", "1", "2"]] * 5],
            "--drop-column a --skip-bad-rows --missing drop",
        ),
        ([["-", "1", "2"], ["-", "x", "3"], *[["-", "3", "4"]] * 5], "--drop-column a --skip-bad-rows"),
        ([["-", "1", "-"], ["-", "2", "3"], *[["-", "3", "-"]] * 5], "--drop-column a --missing median"),
    ],
)
def test_fault_138_one_command_answers_all_problems(cells: list[list[str]], options: str) -> None:
    with pytest.raises(DataError) as e:
        findings(cells).conclude()
    assert e.value.fix == f"pass {options}, which solves all of these problems"
    assert isinstance(applied(cells, str(e.value.fix)), tuple)


def test_fault_138_where_every_row_has_a_gap_none_is_left_out() -> None:
    with pytest.raises(DataError) as e:
        findings([["-", "1"], ["1", "-"]] * 3).conclude()
    assert str(e.value.fix).startswith("pass --missing median ")

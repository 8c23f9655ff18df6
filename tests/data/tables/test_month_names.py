"""Times whose months have names in several languages; Python's datetime is the reference."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from isthmus.config import DataConfig
from isthmus.data.read import read
from isthmus.data.schema import Schema
from isthmus.data.tables.cell_conversion import to_raw, to_texts
from isthmus.data.tables.cells import PLAIN
from isthmus.data.tables.kind_finding import find_schema
from isthmus.errors import DataError

DAYS = [
    (3, 3, 2024),
    (12, 2, 2023),
    (1, 1, 2023),
    (21, 8, 2022),
    (5, 12, 2021),
    (14, 10, 2020),
    (2, 5, 2019),
    (9, 9, 2018),
]
SECONDS = [datetime(y, m, d, tzinfo=UTC).timestamp() for d, m, y in DAYS]
GERMAN = (
    "3. März 2024|12. Februar 2023|1. Januar 2023|21. August 2022|5. Dezember 2021|14. Oktober 2020|2. Mai 2019"
    "|9. September 2018"
)
FRENCH = "3 mars 2024|12 févr. 2023|1 janv. 2023|21 août 2022|5 déc. 2021|14 oct. 2020|2 mai 2019|9 sept. 2018"
SPANISH = (
    "3 de marzo de 2024|12 de febrero de 2023|1 de enero de 2023|21 de agosto de 2022|5 de diciembre de 2021"
    "|14 de octubre de 2020|2 de mayo de 2019|9 de septiembre de 2018"
)
CAPITALS = "03-MAR-2024|12-FEB-2023|01-JAN-2023|21-AUG-2022|05-DEC-2021|14-OCT-2020|02-MAY-2019|09-SEP-2018"
POINTS = "March 3, 2024|Feb. 12, 2023|Jan. 1, 2023|Aug. 21, 2022|Dec. 5, 2021|Oct. 14, 2020|May 2, 2019|Sept. 9, 2018"


def schema_of(texts: list[str]) -> Schema:
    return find_schema(pl.DataFrame({"t": texts}), PLAIN, {})


@pytest.mark.parametrize("texts", [GERMAN, FRENCH, SPANISH, CAPITALS, POINTS, GERMAN.upper(), FRENCH.title()])
@pytest.mark.parametrize("clock", ["", " 14:05"])
def test_names_are_read_and_written_as_they_were(texts: str, clock: str) -> None:
    cells = [text + clock for text in texts.split("|")]
    schema = schema_of(cells)
    assert schema.columns[0].kind == "time"
    raw = to_raw(pl.DataFrame({"t": cells}), schema, PLAIN).values[:, 0]
    np.testing.assert_array_equal(raw, np.array(SECONDS) + (14 * 3600 + 5 * 60 if clock else 0))
    assert to_texts(raw, schema.columns[0]) == cells
    assert Schema.from_dict(schema.as_dict()) == schema


def test_months_that_were_not_in_training_are_written_in_the_same_way() -> None:
    june = datetime(2024, 6, 30, tzinfo=UTC).timestamp()
    for texts, expected in ((GERMAN, "30. Juni 2024"), (FRENCH, "30 juin 2024"), (SPANISH, "30 de junio de 2024")):
        assert to_texts(np.array([june]), schema_of(texts.split("|")).columns[0]) == [expected]


def test_new_rows_may_use_other_names_for_the_same_months() -> None:
    schema = schema_of(["3. März 2024", "12. Februar 2023", "5. Mai 2023"])
    raw = to_raw(pl.DataFrame({"t": ["3. Mär 2024", "12. févr. 2023", "5. May 2023"]}), schema, PLAIN)
    assert not raw.bad.any()
    assert to_texts(raw.values[:, 0], schema.columns[0]) == ["3. März 2024", "12. Februar 2023", "5. Mai 2023"]


def test_english_names_need_no_list_and_words_are_no_times() -> None:
    assert schema_of(["3 March 2024", "1 May 2023"]).columns[0].months == ()
    assert schema_of(["03 Mar 2024", "01 May 2023"]).columns[0].months == ()
    assert schema_of(["3. Etage 2", "2. Etage 1", "3. Etage 4"]).columns[0].kind != "time"


def test_a_cell_that_is_no_time_is_told_with_an_example_in_its_language(tmp_path: Path) -> None:
    cells = [*GERMAN.split("|") * 5, "gestern"]
    pl.DataFrame({"day": cells, "n": range(len(cells))}).write_csv(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r'row 42, column "day": "gestern" is not a time such as "31\. Dezember 2025"'):
        read(tmp_path / "t.csv", DataConfig())


def test_names_of_a_schema_from_a_file_are_twelve_texts() -> None:
    about = schema_of(GERMAN.split("|")).as_dict()
    for months in (["Januar"], [*range(12)]):
        about["columns"][0]["months"] = months
        with pytest.raises(ValueError, match=r"names of months|invalid column"):
            Schema.from_dict(about)


def test_a_column_of_months_may_be_called_count() -> None:
    column = find_schema(pl.DataFrame({"count": GERMAN.split("|")}), PLAIN, {}).columns[0]
    assert (column.kind, column.months[2]) == ("time", "März")


def test_numbers_in_angle_brackets_are_no_months() -> None:
    texts = ["<21> März 2024", "<12> Mai 2023"]
    schema = find_schema(pl.DataFrame({"t": texts}), PLAIN, {"t": "time:<%d> %B %Y"})
    raw = to_raw(pl.DataFrame({"t": texts}), schema, PLAIN)
    assert to_texts(raw.values[:, 0], schema.columns[0]) == texts

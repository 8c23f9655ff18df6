from __future__ import annotations

import pytest

from isthmus import errors
from isthmus.errors import DataError, Interrupted, IsthmusError, UsageError


def test_an_error_is_code_message_and_fix_on_two_lines() -> None:
    error = DataError("DATA-ROW", 'train.csv, row 302, column "b": "hello" is not a number.', fix="remove the row")
    assert (
        str(error) == 'error[DATA-ROW]: train.csv, row 302, column "b": "hello" is not a number.\nfix: remove the row'
    )
    assert str(UsageError("USAGE", "no such thing.")) == "error[USAGE]: no such thing."


@pytest.mark.parametrize(("n", "lines"), [(1, 3), (10, 12), (11, 13), (4_000, 13)])
def test_the_first_ten_problems_are_shown_and_the_rest_counted(n: int, lines: int) -> None:
    error = DataError("DATA-ROW", "bad rows.", fix="remove them", problems=[f"row {i}" for i in range(n)])
    shown = str(error).splitlines()
    assert len(shown) == lines
    assert shown[1] == "  row 0"
    assert ("  … and 3,990 more" in shown) == (n == 4_000)
    assert error.as_dict()["error"]["count"] == n
    assert len(error.as_dict()["error"]["problems"]) == min(n, 10)


def test_the_json_object_holds_everything_and_leaves_out_what_is_not_there() -> None:
    found = UsageError("USAGE", "no such thing.", fix="look again").as_dict()
    assert found == {"error": {"code": "USAGE", "message": "no such thing.", "fix": "look again", "exit_code": 2}}


def test_exit_codes_are_those_of_the_contract() -> None:
    names = ("UsageError", "DataError", "ModelFileError", "ResourceError", "DivergedError", "FolderInUseError")
    assert [getattr(errors, name).exit_code for name in names] == [2, 3, 4, 5, 6, 7]
    assert all(issubclass(getattr(errors, name), IsthmusError) for name in names)
    assert Interrupted("INTERRUPTED", "stopped.", exit_code=143).exit_code == 143


def test_an_unknown_name_suggests_the_nearest_and_lists_all() -> None:
    error = errors.unknown("recipe", "modren", ["seed", "modern"])
    assert error.message == "unknown recipe 'modren'."
    assert error.fix == "did you mean 'modern'? Known: modern, seed."
    assert errors.unknown("recipe", "x", ["seed", "modern"]).fix == "use one of: modern, seed."
    assert errors.unknown("class", "x", []).fix == "leave it out: there is none to choose from"

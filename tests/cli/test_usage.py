"""Usage errors speak of the command that was typed, and their fix is one that the command takes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded


@pytest.mark.parametrize(
    ("line", "said", "fix"),
    [
        ("score latest x --ot y", "isthmus score: no such option: --ot.", "type --out, or see `isthmus score --help`"),
        ("train -z 5", "isthmus train: no such option: -z.", "type --z-size, or see `isthmus train --help`"),
        ("train --zzz", "isthmus train: no such option: --zzz.", "see `isthmus train --help`"),
        (
            "score latest",
            "isthmus score: missing argument INPUT.",
            "write it as `isthmus score RUN INPUT --out OUT`; see `isthmus score --help`",
        ),
        (
            "compare",
            "isthmus compare: missing argument",
            "write it as `isthmus compare RECIPE… [DATA]`; see `isthmus compare --help`",
        ),
        (
            "sweep",
            "isthmus sweep: missing argument",
            "write it as `isthmus sweep [DATA] NAME=VALUES…`; see `isthmus sweep --help`",
        ),
        (
            "report",
            "isthmus report: missing argument",
            "write it as `isthmus report RUN…`; see `isthmus report --help`",
        ),
        ("train --epochs ten", "isthmus train: --epochs ten: expected a whole number.", "see `isthmus train --help`"),
        ("serve latest --port=-3", "isthmus serve: --port -3: ", "see `isthmus serve --help`"),
        ("sample latest -n", "isthmus sample: option '-n' requires an argument.", "see `isthmus sample --help`"),
        ("feature lern", "No such command 'lern'.", "type `isthmus feature learn`, or see `isthmus feature --help`"),
        ("trian", "No such command 'trian'.", "type `isthmus train`, or see `isthmus --help`"),
        ("--bogus", "No such option: --bogus.", "see `isthmus --help`"),
    ],
)
def test_fault_147_the_command_that_was_typed_is_named(
    line: str, said: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = line.split()
    assert run_guarded(build_app(arguments[0]), arguments) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error[USAGE]: {said}")
    assert second == f"fix: {fix}"


def test_fault_147_an_option_that_is_offered_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    for typed in ("--epcohs", "--recip", "--batchsize", "--precison"):
        run_guarded(build_app("train"), ["train", typed, "1"])
        offered = capsys.readouterr().err.partition("type ")[2].partition(",")[0]
        assert run_guarded(build_app("train"), ["train", offered]) == 2
        assert "requires an argument" in capsys.readouterr().err  # known, and given without its value


def test_files_that_the_shell_listed_are_offered_as_a_pattern(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x,y\n1,2.5\n2,3.5\n")
    assert run_guarded(build_app(), ["train", str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]) == 2
    assert f"fix: to use several files, name a pattern: '{tmp_path}/*.csv'\n" in capsys.readouterr().err
    assert run_guarded(build_app(), ["check", f"{tmp_path}/*.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parts"]["train"]["n"] == 4


@pytest.mark.parametrize(
    "typed",
    ["score run {0} more -o {1}", "score run -o {0} {1} more", "decode run {0} {1} -o x", "train {0} --test {1} x"],
)
def test_no_pattern_is_offered_for_other_words_outputs_and_codes(
    typed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / name for name in ("a.csv", "b.csv")]
    for file in files:
        file.write_text("x\n1\n")
    assert run_guarded(build_app(), typed.format(*files).split()) == 2
    assert "unexpected extra argument" in (told := capsys.readouterr().err)
    assert "fix: write it as `isthmus" in told


def test_a_pattern_is_offered_as_a_shell_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "it's"
    folder.mkdir()
    files = [folder / name for name in ("a.csv", "b.csv")]
    for file in files:
        file.write_text("x\n1\n")
    assert run_guarded(build_app(), ["train", *map(str, files)]) == 2
    assert shlex.split(capsys.readouterr().err.partition("name a pattern: ")[2]) == [f"{folder}/*.csv"]

"""What reaches a terminal: names that could move its cursor or turn its text around are shown, not obeyed."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import isthmus
import tiny
from isthmus.api import Run
from isthmus.cli import build_app
from isthmus.cli.command_frame import Io, run_guarded
from isthmus.errors import DataError
from isthmus.runs.stored import read_record
from isthmus.system.checksums import write_json
from isthmus.training.display import Plain
from isthmus.wording import printable, shell_word

EVIL = "a\x1b[2J\x9b31m\u202eb\u2066c\nd\re\x07\u2028f\x7f"
SHOWN = r"a\x1b[2J\x9b31m\u202eb\u2066c\nd\re\x07\u2028f\x7f"


def assert_harmless(text: str, lines: int | None = None) -> None:
    assert all(line.isprintable() for line in text.split("\n")), text.encode("unicode_escape")
    assert lines is None or text.count("\n") == lines


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("as_json", [False, True])
def test_fault_122_lines_and_results_are_shown_escaped(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    shown = Io(as_json=as_json)
    shown.say(EVIL)
    shown.result({"name": EVIL}, ["head", EVIL])
    told = capsys.readouterr()
    assert_harmless(told.out, 1 if as_json else 3)
    assert_harmless(told.err)
    if as_json:
        assert json.loads(told.out) == {"name": EVIL}  # scripts read what is there
        assert SHOWN in told.err
    else:
        assert told.out == f"{SHOWN}\nhead\n{SHOWN}\n"


def test_fault_122_json_of_letters_of_all_planes_is_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    name = "ü日\U0001f600\U000e0041\ud800"  # a letter, a picture, a tag that is not seen, half of a pair
    Io(as_json=True).result({"name": name}, "")
    told = capsys.readouterr().out
    assert_harmless(told, 1)
    assert "ü日\U0001f600" in told
    assert json.loads(told)["name"] == name


def test_fault_122_errors_have_a_line_for_each_part() -> None:
    told = str(DataError("DATA-X", EVIL, fix=EVIL, problems=[EVIL]))
    assert told == f"error[DATA-X]: {SHOWN}\n  {SHOWN}\nfix: {SHOWN}"


def test_fault_122_what_a_training_says_is_shown_escaped() -> None:
    stream = io.StringIO()
    Plain(stream).say(EVIL)
    assert stream.getvalue() == f"{SHOWN}\n"


def test_fault_122_check_shows_names_of_columns_and_classes_escaped(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pl.DataFrame(tiny.table(60), schema=[EVIL, "b\u202e", "c", "d", "e", "f"])
    frame = frame.with_columns(pl.lit(1.0).alias("same\x1b[2J"), pl.Series("kind", [EVIL, "other"] * 30))
    frame.write_csv("evil\x1b[2J\nname.csv")
    for words in (["check", "evil\x1b[2J\nname.csv"], ["check", "evil\x1b[2J\nname.csv", "--label", "kind"]):
        run_guarded(build_app("check"), words)
        told = capsys.readouterr()
        assert_harmless(told.out + told.err)
        assert r"\x1b[2J" in told.out


def test_fault_122_info_runs_and_report_show_what_a_run_holds_escaped(
    home: Path, denoiser: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path("runs") / "evil\x1b[2J\nname"
    shutil.copytree(denoiser.path, run)
    record = read_record(run / "run.json") | {"command": f"isthmus train {EVIL}", "error": EVIL, "ended": EVIL}
    write_json(run / "run.json", record)
    metrics = isthmus.Run(run).metrics
    metrics |= {"recipe": EVIL, "verdicts": [{"id": EVIL, "level": EVIL, "text": EVIL}]}
    write_json(run / "metrics.json", metrics)
    (Path("runs") / "broken\x1b[2J\n").mkdir()
    (Path("runs") / "broken\x1b[2J\n" / "run.json").write_text("{")
    for words in (["info", str(run)], ["runs"], ["report", str(run)], ["info", "runs/broken\x1b[2J\n"]):
        run_guarded(build_app(words[0]), words)
        told = capsys.readouterr()
        assert_harmless(told.out + told.err)
        assert r"\x1b[2J\n" in told.out + told.err
    run_guarded(build_app("runs"), ["runs"])
    listed = capsys.readouterr().out
    assert_harmless(listed)
    assert r"evil\x1b[2J\n" in listed


def test_fault_122_a_warning_is_one_line(home: Path) -> None:
    code = "import warnings\nfrom isthmus import cli\n"
    code += "cli.run_guarded = lambda *a: warnings.warn('a\\x1b[2J\\nb')\ncli.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "warning: a\\x1b[2J\\nb\n"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
@example("red\x1b[2J'\\")
@example("a\u202eb\n\x85\U000e0001")
@settings(max_examples=20, deadline=None)
def test_fault_122_a_name_in_a_fix_is_shown_without_escapes_and_is_read_back_by_a_shell(name: str) -> None:
    word = shell_word(name)
    assert printable(word) == word
    ran = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, env={"LC_ALL": "C.UTF-8"})
    assert ran.stdout.decode() == name


def test_fault_122_a_name_in_another_encoding_is_read_back_too() -> None:
    word = shell_word(os.fsdecode(b"a\xffb"))
    assert word == r"$'a\xffb'"
    assert subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True).stdout == b"a\xffb"

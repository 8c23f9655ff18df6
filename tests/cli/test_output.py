"""Output that cannot be written: a reader that has gone, a full device, letters that the encoding lacks."""

from __future__ import annotations

import errno
import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isthmus.cli import build_app, output
from isthmus.cli.command_frame import run_guarded

PROGRAM = [sys.executable, "-m", "isthmus"]
POOR = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # ASCII, as before there was UTF-8


def closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def full_device() -> int:
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.parametrize("words", [["--help"], ["recipes"], ["recipes", "--json"]])
@pytest.mark.parametrize(
    ("where", "code", "told"),
    [(closed_pipe, 141, ""), (full_device, 5, "error[RESOURCE-OUTPUT]: the output cannot be written: No space left")],
)
def test_fault_111_output_that_leads_nowhere(where: Callable[[], int], code: int, told: str, words: list[str]) -> None:
    place = where()
    try:
        done = subprocess.run([*PROGRAM, *words], stdout=place, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(place)
    assert (done.returncode, done.stderr[: len(told)]) == (code, told)
    assert done.stderr.count("\n") == (2 if told else 0)  # nothing of the interpreter's own


@pytest.mark.parametrize("where", [closed_pipe, full_device])
def test_fault_111_an_error_keeps_its_code_where_nobody_reads_it(where: Callable[[], int], tmp_path: Path) -> None:
    place = where()
    try:
        done = subprocess.run([*PROGRAM, "info", "nosuch"], stdout=place, stderr=place, cwd=tmp_path, check=False)
    finally:
        os.close(place)
    assert done.returncode == 2


def test_fault_111_an_output_that_is_closed_from_the_start() -> None:
    done = subprocess.run([*PROGRAM, "recipes"], preexec_fn=lambda: [os.close(1), os.close(2)], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("poor", [{"PYTHONIOENCODING": "ascii"}, POOR], ids=["output", "locale"])
def test_fault_111_letters_that_the_encoding_lacks_are_replaced(poor: dict[str, str], tmp_path: Path) -> None:
    command = [*PROGRAM, "check", "a.csv"]
    (tmp_path / "a.csv").write_text("länge,b\n1,2\nx,3\n4,5\n5,6\n", encoding="utf-8")
    found = [
        subprocess.run([*command, *more], capture_output=True, cwd=tmp_path, env=os.environ | poor, check=False)
        for more in ([], ["--json"])
    ]
    assert [done.returncode for done in found] == [3, 3]
    assert b'column "l?nge"' in found[0].stdout
    assert "länge" in json.dumps(json.loads(found[1].stdout), ensure_ascii=False)  # as JSON nothing is lost


def test_fault_111_json_keeps_letters_where_the_encoding_has_them() -> None:
    assert output.holds_all_letters(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert not output.holds_all_letters(io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))


def few_files(n: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))


def test_fault_112_few_open_files_are_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n2,3\n4,5\n")
    codes = set()
    for n in (6, 7, 8, 12):
        command = [*PROGRAM, "check", "a.csv"]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, preexec_fn=few_files(n), check=False
        )
        codes.add(done.returncode)
        if done.returncode:
            assert "error[RESOURCE-FILES]: too many files are open." in done.stderr
            assert "ulimit -n" in done.stderr
    assert codes <= {0, 5}
    assert 0 in codes


REFUSALS = [
    (errno.EACCES, 5, r"error[RESOURCE-SYSTEM]: place: Permission denied."),
    (errno.EROFS, 5, r"error[RESOURCE-SYSTEM]: place: Read-only file system."),
    (errno.EIO, 5, r"error[RESOURCE-SYSTEM]: place: Input/output error."),
    (errno.EMFILE, 5, r"error[RESOURCE-FILES]: too many files are open."),
    (errno.ENAMETOOLONG, 2, r"error[USAGE-NAME]: place: the name is too long for a file."),
]


@pytest.mark.parametrize(("number", "code", "told"), REFUSALS)
def test_fault_53_whatever_the_system_refuses_is_no_bug(
    number: int, code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), "place")

    monkeypatch.setattr("isthmus.cli.inspection_commands.look_for_runs", refuse)
    assert run_guarded(build_app("runs"), ["runs"]) == code
    assert capsys.readouterr().err.startswith(told)


@pytest.mark.parametrize("length", [300, 6_000])
@pytest.mark.parametrize(
    "words",
    [
        ["info", "NAME"],
        ["resume", "NAME"],
        ["check", "NAME"],
        ["train", "mnist-2k", "--limit", "50", "--out", "NAME"],
        ["train", "mnist-2k", "--limit", "50", "--out", "a/NAME"],
        ["train", "--config", "NAME"],
        ["train", "mnist-2k", "--recipe", "NAME"],
        ["train", "mnist", "--data-dir", "NAME"],
        ["encode", "NAME", "mnist-2k", "-o", "a.csv"],
    ],
)
def test_fault_66_a_name_of_any_length_is_an_error_in_words(
    words: list[str],
    length: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ISTHMUS_DATA", raising=False)
    words = [word.replace("NAME", "x" * length) for word in words]
    code = run_guarded(build_app(words[0]), words)
    told = capsys.readouterr().err
    assert code in {2, 3, 5}
    assert "BUG" not in told

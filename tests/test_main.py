"""`python -m isthmus` is the command, and Ctrl-C prints one line, even during the first imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

import isthmus
from isthmus import __main__ as entry


def test_python_m_isthmus_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "isthmus", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"isthmus {isthmus.__version__}\n"
    wrong = subprocess.run([sys.executable, "-m", "isthmus", "trian"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error[USAGE]: No such command 'trian'")


def test_fault_54_ctrl_c_while_it_is_being_imported_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("isthmus.cli.main", interrupted)
    with pytest.raises(SystemExit, match="130"):
        entry.main()
    assert capsys.readouterr().err == "error[INTERRUPTED]: stopped.\n"

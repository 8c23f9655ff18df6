"""The help of a command: arguments in capitals, types in usual words."""

from __future__ import annotations

import re

import pytest

from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("score", "Usage: isthmus score [OPTIONS] RUN INPUT"),
        ("evaluate", "Usage: isthmus evaluate [OPTIONS] RUN [DATA]"),
        ("compare", "Usage: isthmus compare [OPTIONS] RECIPE… [DATA]"),
        ("report", "Usage: isthmus report [OPTIONS] RUN…"),
    ],
)
def test_arguments_are_named_as_in_the_text(command: str, usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_guarded(build_app(command), [command, "--help"]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0] == usage
    assert not re.search(r"<str>|list\[|range>", told)


def test_an_option_that_may_be_repeated_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_guarded(build_app("edit"), ["edit", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--add <text> A class, a learned feature, a measure, or a column. May be repeated." in told
    assert "--keep <text> A feature that must not change; may be repeated. --method" in told

"""A line of a terminal that is written over and taken away; few lines of a log."""

from __future__ import annotations

import io

import pytest

from isthmus.cli import progress_line
from isthmus.cli.progress_line import ProgressLine


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


class Clock:
    now = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress_line.time, "monotonic", lambda: found.now)
    return found


def seen(text: str) -> str:
    """What a terminal shows after all of it: every return of the carriage begins the line again."""
    line: list[str] = []
    for part in text.split("\r"):
        line[: len(part)] = part
    return "".join(line).rstrip()


def test_a_terminal_shows_what_is_done_and_how_much_and_nothing_at_the_end(clock: Clock) -> None:
    stream = Stream(terminal=True)
    line = ProgressLine(stream)
    clock.now = 1.0
    line.told("scoring 5,000 samples")
    assert seen(stream.getvalue()) == "scoring 5,000 samples …"
    clock.now = 2.0
    line.counted(1_200, 5_000)
    assert seen(stream.getvalue()) == "scoring 5,000 samples, 1,200 of 5,000 …"
    clock.now = 3.0
    line.counted(3, 23, "batch")
    assert seen(stream.getvalue()) == "scoring 5,000 samples, batch 3 of 23 …"
    line.told("short")
    assert seen(stream.getvalue()) == "short …"  # nothing of the longer line is left
    line.hushed()
    assert seen(stream.getvalue()) == ""
    line.counted(3, 4)  # of work that nobody told of
    assert seen(stream.getvalue()) == ""


def test_what_is_done_at_once_is_not_shown(clock: Clock) -> None:
    stream = Stream(terminal=True)
    line = ProgressLine(stream)
    clock.now = 0.3
    line.told("reading")
    line.hushed()
    assert stream.getvalue() == ""


def test_a_log_gets_a_line_a_minute(clock: Clock) -> None:
    stream = Stream(terminal=False)
    line = ProgressLine(stream)
    for second in range(0, 200, 10):
        clock.now = float(second)
        line.told(f"step {second}")
    line.hushed()
    assert stream.getvalue() == "step 60 …\nstep 120 …\nstep 180 …\n"


def test_names_are_shown_escaped(clock: Clock) -> None:
    stream = Stream(terminal=True)
    line = ProgressLine(stream)
    clock.now = 1.0
    line.told("reading a\x1b[2Jb")
    assert "\x1b" not in stream.getvalue()


def test_a_stream_that_is_gone_is_no_reason_to_end(clock: Clock) -> None:
    stream = Stream(terminal=True)
    line = ProgressLine(stream)
    stream.close()
    clock.now = 1.0
    line.told("on")
    line.hushed()
    assert not line.in_place

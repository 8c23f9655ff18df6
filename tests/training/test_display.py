from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from isthmus.training import display as displays
from isthmus.training.display import Plain, Quiet, Terminal, display_on
from isthmus.training.trainer import Progress


class Screen(io.StringIO):
    """A terminal that only records its output."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def row(epoch: int) -> dict[str, Any]:
    return {"epoch": epoch, "train_cost": 0.25 / epoch, "validation_cost": 0.3 / epoch, "lr": 0.1, "seconds": 2.0}


def shown(shows: Quiet, epochs: int = 4) -> None:
    progress = Progress(epochs, 10, samples_seen=0)
    with shows.training(progress):
        for epoch in range(1, epochs + 1):
            progress.samples_seen += 3_000
            progress.train_seconds += 2.0
            progress.batch = 5
            shows.step(progress)
            progress.epoch, progress.batch = epoch, 0
            shows.epoch(row(epoch), progress)


def test_the_display_fits_the_stream() -> None:
    assert type(display_on(io.StringIO())) is Plain
    assert type(display_on(Screen())) is Terminal
    assert type(display_on(Screen(), quiet=True)) is Quiet


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = Quiet()
    shown(quiet)
    quiet.say("something")
    with quiet.counting("reading") as count:
        count(1, 2)
    assert capsys.readouterr() == ("", "")


def test_a_log_has_the_first_and_the_last_epoch_and_one_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stream = [100.0], io.StringIO()

    def now() -> float:
        clock[0] += 4.0
        return clock[0]

    monkeypatch.setattr(displays.time, "monotonic", now)
    shown(Plain(stream), epochs=9)
    lines = stream.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["1/9", "4/9", "7/9", "9/9"]
    assert lines[0] == "epoch 1/9  cost 0.2500  validation 0.3000  1,500/s  16 s left"
    assert lines[-1] == "epoch 9/9  cost 0.0278  validation 0.0333  1,500/s  0 s left"


def test_a_terminal_ends_with_the_last_epoch_in_words() -> None:
    screen = Screen()
    terminal = Terminal(screen)
    shown(terminal)
    terminal.say("a [bold]name[/bold] with brackets.png")
    text = screen.getvalue()
    assert "epoch 4/4  cost 0.0625  validation 0.0750  1,500/s  0 s left" in text
    assert "a [bold]name[/bold] with brackets.png" in text
    with terminal.counting("reading") as count:
        count(1, 2)
    assert "epoch 5" not in screen.getvalue()


def test_a_terminal_survives_an_error_amid_training() -> None:
    terminal = Terminal(Screen())
    with pytest.raises(RuntimeError, match="within"), terminal.training(Progress(2, 2)):
        raise RuntimeError("within")
    shown(terminal)
    assert "epoch 4/4" in terminal.stream.getvalue()  # type: ignore[attr-defined]


def test_a_log_that_is_closed_behind_us_is_not_our_error() -> None:
    stream = io.StringIO()
    Plain(stream).say("ünïcode – ✓")
    assert stream.getvalue() == "ünïcode – ✓\n"


class Closed(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_goes_away_does_not_end_the_training() -> None:
    shows = Plain(Closed())
    for text in ("first", "second"):
        shows.say(text)
    shown(shows)
    assert not isinstance(shows.stream, Closed)


@pytest.mark.parametrize(("seconds", "left"), [(2.0, "16 s left"), (470.0, "63 min left"), (7_000.0, "15.6 h left")])
def test_the_time_left_is_told_in_a_unit_to_plan_with(seconds: float, left: str) -> None:
    progress = SimpleNamespace(epoch=1, epochs=9, train_seconds=seconds, samples_per_second=9.0)
    row = {"epoch": 1, "train_cost": 0.5, "validation_cost": 0.5}
    assert displays.sentence(row, progress).endswith(left)

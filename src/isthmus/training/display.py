"""What the user sees while something runs: a progress bar in a terminal, plain lines in a log, nothing if quiet."""

from __future__ import annotations

import io
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TextIO, final

from isthmus.sparkline import sparkline
from isthmus.system.progress import hush
from isthmus.wording import printable, time_span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.training.trainer import Progress

LINE_EVERY = 10.0  # seconds between plain lines, so that the log of an hour has a few hundred lines


class AbstractDisplay(ABC):
    """Shows the progress of a training. `draws`: whether to draw cost curves, because somebody may be watching."""

    draws: bool

    @abstractmethod
    def say(self, text: str) -> None:
        """Prints one line. Line breaks and control characters in it, which names may contain, are escaped."""

    @abstractmethod
    def step(self, progress: Progress) -> None: ...

    @abstractmethod
    def epoch(self, row: dict[str, Any], progress: Progress) -> None: ...

    @abstractmethod
    def training(self, progress: Progress) -> AbstractContextManager[None]: ...

    @abstractmethod
    def counting(self, what: str) -> AbstractContextManager[Callable[[int, int], None]]: ...


@final
class Quiet(AbstractDisplay):
    """Prints nothing."""

    draws = False

    def say(self, text: str) -> None: ...

    def step(self, progress: Progress) -> None: ...

    def epoch(self, row: dict[str, Any], progress: Progress) -> None: ...

    def training(self, progress: Progress) -> AbstractContextManager[None]:
        return nullcontext()

    def counting(self, what: str) -> AbstractContextManager[Callable[[int, int], None]]:
        return nullcontext(lambda done, total: None)


@final
class Plain(AbstractDisplay):
    """Lines of text, for logs and pipes."""

    draws = True

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self._line_at = 0.0

    def say(self, text: str) -> None:
        hush()
        try:
            print(printable(text), file=self.stream, flush=True)
        except OSError:  # the reader has gone, or the disk is full: no reason to end a training
            self.stream = io.StringIO()

    def step(self, progress: Progress) -> None: ...

    def epoch(self, row: dict[str, Any], progress: Progress) -> None:
        now = time.monotonic()
        if now - self._line_at >= LINE_EVERY or progress.epoch in {1, progress.epochs}:
            self._line_at = now
            self.say(sentence(row, progress))

    def training(self, progress: Progress) -> AbstractContextManager[None]:
        return nullcontext()

    def counting(self, what: str) -> AbstractContextManager[Callable[[int, int], None]]:
        return nullcontext(lambda done, total: None)


@final
class Terminal(AbstractDisplay):
    """A rich progress bar with costs, speed, time left and a sparkline of the validation cost."""

    draws = True

    def __init__(self, stream: TextIO | None = None) -> None:
        from rich.console import Console

        self.stream = stream or sys.stdout
        self.console = Console(file=self.stream, highlight=False)
        self._bar: Any = None
        self._sentence = ""
        self._costs: list[float] = []
        self._unicode = "utf" in (getattr(self.stream, "encoding", None) or "").lower()

    def say(self, text: str) -> None:
        hush()
        self.console.print(printable(text), markup=False, soft_wrap=True)

    @contextmanager
    def training(self, progress: Progress) -> Iterator[None]:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        hush()
        columns = [
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeRemainingColumn(),
            TextColumn("left  {task.fields[sentence]}"),
        ]
        with Bar(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task("training", total=progress.epochs * progress.batches, sentence="")
            self._bar = (bar, task)
            yield
        self._bar = None
        if self._sentence:
            self.say(self._sentence)

    def step(self, progress: Progress) -> None:
        bar, task = self._bar
        bar.update(task, completed=progress.step, description=f"epoch {progress.epoch + 1}/{progress.epochs}")

    def epoch(self, row: dict[str, Any], progress: Progress) -> None:
        self._costs.append(row["validation_cost"])
        self._sentence = sentence(row, progress)
        bar, task = self._bar
        bar.update(task, sentence=f"{brief(row, progress)}  {sparkline(self._costs, 20, ascii=not self._unicode)}")

    @contextmanager
    def counting(self, what: str) -> Iterator[Callable[[int, int], None]]:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        hush()
        with Bar(TextColumn(what), BarColumn(), MofNCompleteColumn(), console=self.console, transient=True) as bar:
            task = bar.add_task(what)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def brief(row: dict[str, Any], progress: Progress) -> str:
    """The most important numbers of an epoch."""
    speed = f"{progress.samples_per_second:,.0f}/s"
    return f"cost {row['train_cost']:.4f}  validation {row['validation_cost']:.4f}  {speed}"


def sentence(row: dict[str, Any], progress: Progress) -> str:
    """The numbers of an epoch, with the time left."""
    left = (progress.epochs - progress.epoch) * progress.train_seconds / max(progress.epoch, 1)
    return f"epoch {row['epoch']}/{progress.epochs}  {brief(row, progress)}  {time_span(left)} left"


def display_on(stream: TextIO | None = None, *, quiet: bool = False) -> AbstractDisplay:
    """The display that fits `stream` (default: standard output)."""
    if quiet:
        return Quiet()
    out: TextIO = stream or sys.stdout
    return Terminal(out) if out.isatty() else Plain(out)


def display_of(show: bool | AbstractDisplay) -> AbstractDisplay:
    """The display for the argument `show` of `train` and similar functions."""
    return show if isinstance(show, AbstractDisplay) else display_on(quiet=not show)

"""What a command is doing, as one line of a terminal that is written over, or as few lines of a log."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

from isthmus.wording import printable

DRAW_EVERY = 0.2  # seconds between two drawings of the line: fast enough for eyes
LINE_EVERY = 60.0  # seconds before and between lines in a log: a sign of life, where nobody waits for the next
SOON = 0.5  # seconds: what is done sooner flickers


class ProgressLine:
    """Listens to `system.progress`. `stream` is where it writes; anything but a terminal gets few lines."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.in_place = stream, stream.isatty()
        self._text, self._amount, self._width = "", "", 0
        self._begun = self._drawn = self._lined = time.monotonic()

    def told(self, text: str) -> None:
        """A new piece of work."""
        self._text, self._amount = text, ""
        self._show(at_once=self._width > 0)

    def counted(self, done: int, total: int) -> None:
        """How much of the work that was told of is done; before any was told this is somebody else's counting."""
        if self._text:
            self._amount = f", {done:,} of {total:,}"
            self._show(at_once=False)

    def hushed(self) -> None:
        """Takes the line away."""
        self._text = self._amount = ""
        if self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    def _show(self, *, at_once: bool) -> None:
        now, text = time.monotonic(), printable(f"{self._text}{self._amount} …")
        if not self.in_place:
            if now - self._lined >= LINE_EVERY:
                self._lined = now
                self._write(text + "\n")
        elif now - self._begun >= SOON and (at_once or now - self._drawn >= DRAW_EVERY):
            self._drawn = now
            text = text[: shutil.get_terminal_size().columns - 1]
            self._width, before = len(text), self._width
            self._write("\r" + text.ljust(before))

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):  # whoever looked on has gone
            self.in_place, self._width = False, 0

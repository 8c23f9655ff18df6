"""The current work of a command, as one line that is overwritten in a terminal, or as a few lines in a log."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

from isthmus.wording import printable

DRAW_EVERY = 0.2  # seconds between two updates of the line
LINE_EVERY = 60.0  # seconds before and between lines in a log: a sign of life
SOON = 0.5  # seconds; shorter work would only flicker


class ProgressLine:
    """Listens to `system.progress` and writes to `stream`; only a terminal gets more than a few lines."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.in_place = stream, stream.isatty()
        self._text, self._amount, self._width = "", "", 0
        self._begun = self._drawn = self._lined = time.monotonic()

    def told(self, text: str) -> None:
        """Starts a new piece of work."""
        self._text, self._amount = text, ""
        self._show(at_once=self._width > 0)

    def counted(self, done: int, total: int, unit: str = "") -> None:
        """How much of the announced work is done. Ignored if no work was announced."""
        if self._text:
            self._amount = f", {unit} {done:,} of {total:,}".replace(",  ", ", ")
            self._show(at_once=False)

    def hushed(self) -> None:
        """Removes the line."""
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
        except (OSError, ValueError):  # the stream was closed
            self.in_place, self._width = False, 0

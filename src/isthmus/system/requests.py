"""Requests of another process to a training: to finish now, or to pause, as one word in a file of the run folder.

A file works on every system and across machines that share a disk; a signal reaches only a process of the same user on
the same machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from isthmus.system import files, regular
from isthmus.wording import shell_word

REQUEST = "request.txt"
FINISH, PAUSE = "finish", "pause"
EVERY = 0.5  # seconds between two checks of the file: too short to notice, and a check takes 10 microseconds
WAIT = 0.1  # seconds between two checks during a pause


def ask(folder: Path, what: str) -> None:
    """Asks the training in `folder` for FINISH or PAUSE. Raises: ResourceError if the request cannot be written."""
    files.write_text(folder / REQUEST, what + "\n")


def asked(folder: Path) -> str | None:
    """The request to the training in `folder`: FINISH, PAUSE or None. A file that cannot be read counts as None."""
    try:
        word = regular.read_text(folder / REQUEST).strip()
    except (OSError, ValueError):
        return None
    return word if word in {FINISH, PAUSE} else None


def withdraw(folder: Path) -> None:
    """Removes the request."""
    with suppress(OSError):
        (folder / REQUEST).unlink()


class Requests:
    """The current request to a training; `look` updates it, at most twice a second.

    Without a folder there is never a request. With `finish`, the request is to finish from the beginning.
    """

    def __init__(
        self, folder: Path | None = None, *, finish: bool = False, say: Callable[[str], object] = lambda text: None
    ) -> None:
        self.folder, self.say = folder, say
        self.pending: str | None = FINISH if finish else None
        self._next = 0.0

    @property
    def finishes(self) -> bool:
        """Whether the training should end now and be judged."""
        return self.pending == FINISH

    def look(self) -> None:
        """Reads the file, unless it was read within the last half second."""
        now = time.monotonic()
        if self.folder is None or self.finishes or now < self._next:
            return
        self._next = now + EVERY
        self.pending = asked(self.folder)
        if self.finishes:
            withdraw(self.folder)

    def wait(self, stop: object) -> None:
        """Returns when the pause is over or `stop` is true."""
        how = f"Continue on the page, or with `isthmus resume {shell_word(self.folder or 'RUN')}` in another terminal"
        self.say(f"paused; everything is saved. {how}; Ctrl-C here ends the training")
        while self.pending == PAUSE and not stop:
            time.sleep(WAIT)
            self.look()
        if not stop and not self.finishes:
            self.say("continuing")

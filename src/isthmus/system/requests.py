"""What another process asks of a training: to finish now, or to pause. One word in a file of the run folder says it.

A file reaches a training on every system and across machines that share a disk, where a signal reaches only a process
of the same user on the same machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from isthmus.system import files, regular

REQUEST = "request.txt"
FINISH, PAUSE = "finish", "pause"
EVERY = 0.5  # seconds between two looks at the file: a person does not notice, and a look takes 10 microseconds
WAIT = 0.1  # seconds between two looks while nothing else is to be done


def ask(folder: Path, what: str) -> None:
    """Asks the training in `folder` for FINISH or PAUSE. Raises: ResourceError where nothing can be written."""
    files.write_text(folder / REQUEST, what + "\n")


def asked(folder: Path) -> str | None:
    """What is asked of the training in `folder`: FINISH, PAUSE or nothing. A file that cannot be read asks nothing."""
    try:
        word = regular.read_text(folder / REQUEST).strip()
    except (OSError, ValueError):
        return None
    return word if word in {FINISH, PAUSE} else None


def withdraw(folder: Path) -> None:
    """Asks for nothing any more."""
    with suppress(OSError):
        (folder / REQUEST).unlink()


class Requests:
    """What a training was asked, as it knows by now; `look` asks again, at most twice a second.

    Without a folder nothing is ever asked. With `finish` it is asked to finish from the beginning.
    """

    def __init__(
        self, folder: Path | None = None, *, finish: bool = False, say: Callable[[str], object] = lambda text: None
    ) -> None:
        self.folder, self.say = folder, say
        self.pending: str | None = FINISH if finish else None
        self._next = 0.0

    @property
    def finishes(self) -> bool:
        """Whether the training should end now, and be judged."""
        return self.pending == FINISH

    def look(self) -> None:
        """Reads the file, unless it was read just now."""
        now = time.monotonic()
        if self.folder is None or self.finishes or now < self._next:
            return
        self._next = now + EVERY
        self.pending = asked(self.folder)
        if self.finishes:
            withdraw(self.folder)

    def wait(self, stop: object) -> None:
        """Returns once the pause is over, or `stop` is true."""
        self.say("paused, and all is saved; it goes on from the page, or with `isthmus resume`; Ctrl-C ends it")
        while self.pending == PAUSE and not stop:
            time.sleep(WAIT)
            self.look()
        if not stop and not self.finishes:
            self.say("going on")

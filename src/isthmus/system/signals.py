"""Ctrl-C and SIGTERM: the handler only sets a flag; the training loop checks it after every step, saves, and ends.

When there is nothing left to save, as while judging, a signal may end the work at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from isthmus.system.launch import launched

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class StopSignals:
    """`with StopSignals() as stop:` … `if stop: save and leave`. A second signal raises KeyboardInterrupt.

    A nested one passes on the signal that it caught, so that a signal that came too late for the loop still ends the
    work that follows. Outside of the main thread, where Python delivers no signals, it does nothing.

    In processes that a launcher started, a second signal does not end the process at once, because the launcher sends
    the terminal's signal again. The launcher kills processes that have not ended after half a minute.
    """

    def __init__(self) -> None:
        self._once = launched() is not None
        self.caught: int | None = None
        self._before: dict[int, Any] = {}
        self._raises = False

    def __bool__(self) -> bool:
        return self.caught is not None

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM."""
        return EXIT_CODES.get(signal.Signals(self.caught or signal.SIGINT), 130)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside the block, a signal raises KeyboardInterrupt, and so does an earlier signal."""
        self._raises = True
        try:
            if self:
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = False

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in EXIT_CODES}
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
            outer = getattr(handler, "__self__", None)
            if isinstance(outer, StopSignals) and outer.caught is None:
                outer.caught = self.caught

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.caught = self.caught is not None, self.caught or number
        if again and self._once:
            return
        if again or self._raises:
            raise KeyboardInterrupt

"""Standard output and error: letters that the encoding lacks, a reader that has gone, a device that is full."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from isthmus.errors import ResourceError

CLOSED = 141  # what a shell reports for a program that a closed pipe ended: 128 and the number of SIGPIPE


def open_for_all() -> None:
    """Prints what the encoding lacks as `?`; an output that was closed from the start takes everything and keeps none.

    Called once, before anything is printed.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper) and stream.errors != "backslashreplace":
            stream.reconfigure(errors="replace")


def holds_all_letters(stream: TextIO) -> bool:
    """Whether the encoding of a stream has every letter."""
    return "utf" in (getattr(stream, "encoding", None) or "utf-8").lower()


def closed(code: int) -> int:
    """The exit code, once all output has left: 141 where a reader has gone, 5 where the device is full."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            abandon(stream)
            code = code or exit_code_of(error)
    return code


def exit_code_of(error: OSError) -> int:
    """The exit code for output that cannot be written; a closed pipe is no reason for words."""
    if isinstance(error, BrokenPipeError):
        return CLOSED
    full = unwritten(error)
    write_error(str(full))
    return full.exit_code


def unwritten(error: OSError) -> ResourceError:
    """The error for output that cannot be written, which is all that the system refuses without naming a file."""
    message = f"the output cannot be written: {error.strerror or error}."
    return ResourceError("RESOURCE-OUTPUT", message, fix="make room, or send the output elsewhere")


def open_page(address: str) -> None:
    """Opens an address in the browser of this machine; where there is none, it is said."""
    import webbrowser  # late: it looks for browsers, which takes a moment

    if not webbrowser.open(address):
        print(f"note: no browser could be opened; open {address} yourself", file=sys.stderr)


def write_error(text: str) -> None:
    """Prints to standard error; where that leads nowhere, the exit code has to say it."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        abandon(sys.stderr)


def abandon(stream: TextIO) -> None:
    """Lets what is still to be written go nowhere, so that the end of the program does not try it again."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # a stream of a test, or without a descriptor left
        return

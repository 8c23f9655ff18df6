"""Standard output and error: characters missing from the encoding, closed pipes, full disks."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from isthmus.errors import ResourceError

CLOSED = 141  # what a shell reports for a program that ended at a closed pipe: 128 plus the number of SIGPIPE


def open_for_all() -> None:
    """Makes characters missing from the encoding print as `?`, and discards output to a stream that is closed.

    Called once, before anything is printed.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper) and stream.errors != "backslashreplace":
            stream.reconfigure(errors="replace")


def holds_all_letters(stream: TextIO) -> bool:
    """Whether the encoding of a stream has all Unicode characters."""
    return "utf" in (getattr(stream, "encoding", None) or "utf-8").lower()


def closed(code: int) -> int:
    """Flushes all output and returns the exit code: 141 if a pipe was closed, 5 if the disk is full."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            abandon(stream)
            code = code or exit_code_of(error)
    return code


def exit_code_of(error: OSError) -> int:
    """The exit code for output that cannot be written; a closed pipe prints no message."""
    if isinstance(error, BrokenPipeError):
        return CLOSED
    full = unwritten(error)
    write_error(str(full))
    return full.exit_code


def unwritten(error: OSError) -> ResourceError:
    """The error for output that cannot be written: a system error without a file name."""
    message = f"the output cannot be written: {error.strerror or error}."
    return ResourceError("RESOURCE-OUTPUT", message, fix="free disk space, or write the output elsewhere")


def open_page(address: str) -> None:
    """Opens an address in the browser of this machine; prints a note if there is none."""
    import webbrowser  # late: it searches for browsers, which takes time

    if not webbrowser.open(address):
        print(f"note: no browser could be opened; open {address} yourself", file=sys.stderr)


def write_error(text: str) -> None:
    """Prints to standard error; if that fails, only the exit code reports the error."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        abandon(sys.stderr)


def abandon(stream: TextIO) -> None:
    """Discards unwritten output, so that the program does not try to write it again at exit."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # a stream of a test, or no file descriptor is free
        return

"""Errors that people read: what was found, where, what is allowed, and one fix.

Every error that isthmus raises on purpose derives from `IsthmusError`. The command line turns it into two lines
(`error[CODE]: …`, `fix: …`) and an exit code; Python users catch the class they care about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from isthmus.wording import printable, shortened

MOST = 200  # characters of a name that are compared with those there are
SHOWN = 10  # problems listed one by one; more are only counted, since nobody reads the eleventh


class IsthmusError(Exception):
    """An error with a code (`"DATA-ROW"`), a sentence, all problems of one kind, and one fix."""

    exit_code = 1
    is_told = False  # whether another of several processes says it, so that this one is silent

    def __init__(self, code: str, message: str, *, fix: str | None = None, problems: Sequence[str] = ()) -> None:
        super().__init__(code, message)
        self.code, self.message, self.fix, self.problems = code, message, fix, tuple(problems)

    def __str__(self) -> str:
        """Each part on a line of its own, whatever names of files and columns may hold."""
        lines = [f"error[{self.code}]: {printable(self.message)}"]
        lines += [f"  {printable(problem)}" for problem in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"  … and {len(self.problems) - SHOWN:,} more")
        return "\n".join([*lines, f"fix: {printable(self.fix)}"] if self.fix else lines)

    def as_dict(self) -> dict[str, Any]:
        """The error as the JSON object that `--json` prints."""
        first = list(self.problems[:SHOWN])
        found = {"code": self.code, "message": self.message, "fix": self.fix, "exit_code": self.exit_code}
        return {"error": found | ({"problems": first, "count": len(self.problems)} if first else {})}


class UsageError(IsthmusError):
    """A setting, option or argument that cannot be meant."""

    exit_code = 2


class DataError(IsthmusError):
    """Data that cannot be read, or not without a choice that only a person can make."""

    exit_code = 3


class ModelFileError(IsthmusError):
    """A model file that is damaged, from another version, or not safe to open."""

    exit_code = 4


class ResourceError(IsthmusError):
    """Disk, memory, permission or port."""

    exit_code = 5


class FolderGoneError(ResourceError):
    """The folder that a run is written into was deleted, moved or replaced meanwhile."""


class DataLostError(ResourceError):
    """Data that is read from disk while training goes on cannot be read any more, or is not what it was."""


class PeerLostError(ResourceError):
    """Another of several processes has ended, or cannot be reached."""


class DivergedError(IsthmusError):
    """Training gave a cost that is not a finite number."""

    exit_code = 6


class FolderInUseError(IsthmusError):
    """Another process works in this run folder."""

    exit_code = 7


class Interrupted(IsthmusError):
    """Ctrl-C (130) or SIGTERM (143), raised after everything was saved."""

    def __init__(self, code: str, message: str, *, exit_code: int, fix: str | None = None) -> None:
        super().__init__(code, message, fix=fix)
        self.exit_code = exit_code


ALL = (UsageError, DataError, ModelFileError, ResourceError, DivergedError, FolderInUseError)
KINDS = {kind.exit_code: kind for kind in ALL}


def from_note(note: Mapping[str, Any], where: str) -> IsthmusError:
    """The error of another process, which `where` names, from its `code`, `message`, `fix`, `problems`, `exit_code`."""
    kind = KINDS.get(note["exit_code"], IsthmusError)
    return kind(note["code"], f"{where}: {note['message']}", fix=note["fix"], problems=note["problems"])


def unknown(what: str, got: str, known: Iterable[str], *, code: str = "USAGE-NAME") -> UsageError:
    """The error for a name that is not in a list: says the nearest and lists all."""
    known = sorted(known)
    near = get_close_matches(got[:MOST], known, n=1, cutoff=0.5)
    fix = f"did you mean {near[0]!r}? Known: {', '.join(known)}." if near else f"use one of: {', '.join(known)}."
    return UsageError(code, f"unknown {what} {shortened(repr(got))}.", fix=fix)

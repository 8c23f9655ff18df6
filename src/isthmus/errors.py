"""Errors for people: what was found, where, what is allowed, and one fix.

Every error that isthmus raises on purpose derives from `IsthmusError`. The command line turns it into two lines
(`error[CODE]: …`, `fix: …`) and an exit code; in Python, catch the class that you care about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from isthmus.wording import printable, shortened

MOST = 200  # characters of a name that are compared with the known names
SHOWN = 10  # problems that are listed; more are only counted, because nobody reads the eleventh


class IsthmusError(Exception):
    """An error with a code (`"DATA-ROW"`), a sentence, all problems of one kind, and one fix."""

    exit_code = 1
    is_told = False  # whether another process reports it already, so that this one stays silent

    def __init__(self, code: str, message: str, *, fix: str | None = None, problems: Sequence[str] = ()) -> None:
        super().__init__(code, message)
        self.code, self.message, self.fix, self.problems = code, message, fix, tuple(problems)

    def __str__(self) -> str:
        """One line per part, whatever characters the names of files and columns contain."""
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
    """An invalid setting, option or argument."""

    exit_code = 2


class DataError(IsthmusError):
    """Data that cannot be read, or only after a choice that a person has to make.

    `wanted` are the kinds of the table columns that hold text instead: "time", "yes or no", "count" or "number".
    """

    exit_code = 3
    wanted: frozenset[str] = frozenset()


class ModelFileError(IsthmusError):
    """A model file that is damaged, from another version, or unsafe to open."""

    exit_code = 4


class ResourceError(IsthmusError):
    """A problem with disk, memory, permissions or a port."""

    exit_code = 5


class FolderGoneError(ResourceError):
    """The run folder was deleted, moved or replaced during training."""


class DataLostError(ResourceError):
    """Data that is read from disk during training has changed or can no longer be read."""


class PeerLostError(ResourceError):
    """Another process of the same training has ended or cannot be reached."""


class DivergedError(IsthmusError):
    """The training cost is no longer a finite number."""

    exit_code = 6


class FolderInUseError(IsthmusError):
    """Another process is using this run folder."""

    exit_code = 7


class Interrupted(IsthmusError):
    """Ctrl-C (130) or SIGTERM (143). A training is saved first, unless a second signal stops it at once."""

    def __init__(self, code: str, message: str, *, exit_code: int, fix: str | None = None) -> None:
        super().__init__(code, message, fix=fix)
        self.exit_code = exit_code


ALL = (UsageError, DataError, ModelFileError, ResourceError, DivergedError, FolderInUseError)
KINDS = {kind.exit_code: kind for kind in ALL}


def from_note(note: Mapping[str, Any], where: str) -> IsthmusError:
    """The error of another process, called `where`, from its `code`, `message`, `fix`, `problems` and `exit_code`."""
    kind = KINDS.get(note["exit_code"], IsthmusError)
    return kind(note["code"], f"{where}: {note['message']}", fix=note["fix"], problems=note["problems"])


def unknown(what: str, got: str, known: Iterable[str], *, code: str = "USAGE-NAME") -> UsageError:
    """The error for a name that is not in a list: suggests the nearest name and lists all."""
    known = sorted(known)
    near = get_close_matches(got[:MOST], known, n=1, cutoff=0.5)
    fix = f"use one of: {', '.join(known)}." if known else "leave it out: there is none to choose from"
    fix = f"did you mean {near[0]!r}? Known: {', '.join(known)}." if near else fix
    return UsageError(code, f"unknown {what} {shortened(repr(got))}.", fix=fix)

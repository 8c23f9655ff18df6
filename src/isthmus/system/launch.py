"""Which of several processes this one is, where torchrun, or srun with the same variables, started them together."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.errors import UsageError

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what torch.distributed reads as well


@dataclass(frozen=True)
class Launch:
    """This process is number `rank` of `size`, from 0, and number `local_rank` of the `local_size` on this machine.

    `attempt` counts how often the launcher has started them again after one of them had failed; `name` is one that it
    keeps then.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    attempt: int = 0
    name: str = ""


def launched(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """What the launcher says; None where this process is alone.

    Raises: UsageError where it says only a part, or what cannot be.
    """
    if environment.get("WORLD_SIZE", "1") == "1" or "RANK" not in environment:
        return None
    missing = [name for name in NEEDED if not environment.get(name)]
    if missing:
        raise _wrong(f"{' and '.join(missing)} is not set, but WORLD_SIZE={environment['WORLD_SIZE']} is.")
    size = _number(environment, "WORLD_SIZE", 1)
    local_size = _number(environment, "LOCAL_WORLD_SIZE", 1)
    found = Launch(
        _number(environment, "RANK", 0),
        size,
        _number(environment, "LOCAL_RANK", 0),
        local_size,
        _number(environment, "TORCHELASTIC_RESTART_COUNT", 0),
        _name(environment),
    )
    if not found.rank < size or not found.local_rank < local_size <= size:
        raise _wrong(f"{found} is no process of them.")
    return found


def is_first(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is alone or the first of several: the one that speaks and writes."""
    return environment.get("WORLD_SIZE", "1") == "1" or environment.get("RANK", "0") == "0"


def _name(environment: Mapping[str, str]) -> str:
    """The launcher's own name for what it started; where it has none, its process and machine."""
    given = environment.get("TORCHELASTIC_RUN_ID", "none")
    return f"{os.getppid()} on {socket.gethostname()}" if given == "none" else given


def _number(environment: Mapping[str, str], name: str, usual: int) -> int:
    text = environment.get(name, str(usual))
    if not text.isdecimal() or len(text) > 9:
        raise _wrong(f"{name}={text!r} is not a whole number.")
    return int(text)


def _wrong(what: str) -> UsageError:
    message = f"the variables that say which of several processes this is do not fit: {what}"
    return UsageError("USAGE-PROCESSES", message, fix="start with torchrun, or first `unset RANK WORLD_SIZE`")


__all__ = ["Launch", "is_first", "launched"]

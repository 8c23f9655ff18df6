"""Which of several processes this one is, if torchrun, or srun with the same variables, started them together."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.errors import UsageError

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # torch.distributed reads them as well


@dataclass(frozen=True)
class Launch:
    """This process is number `rank` of `size`, from 0, and number `local_rank` of the `local_size` on this machine.

    `attempt` counts how often the launcher has restarted them after one had failed; `name` stays the same then.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    attempt: int = 0
    name: str = ""


def launched(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """The launcher's settings for this process; None if it is alone.

    Raises: UsageError if they are incomplete or invalid.
    """
    if environment.get("WORLD_SIZE", "1") == "1" or "RANK" not in environment:
        return None
    missing = [name for name in NEEDED if not environment.get(name)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise _wrong(f"{' and '.join(missing)} {verb} not set, but WORLD_SIZE={environment['WORLD_SIZE']} is.")
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
        got = f"RANK={found.rank}, WORLD_SIZE={size}, LOCAL_RANK={found.local_rank}, LOCAL_WORLD_SIZE={local_size}"
        raise _wrong(f"ranks must be below their sizes, and LOCAL_WORLD_SIZE at most WORLD_SIZE, but got {got}.")
    return found


def is_first(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is alone or the first of several, which prints and writes."""
    return environment.get("WORLD_SIZE", "1") == "1" or environment.get("RANK", "0") == "0"


def _name(environment: Mapping[str, str]) -> str:
    """The launcher's name for this start, otherwise its process and machine."""
    given = environment.get("TORCHELASTIC_RUN_ID", "none")
    return f"{os.getppid()} on {socket.gethostname()}" if given == "none" else given


def _number(environment: Mapping[str, str], name: str, usual: int) -> int:
    text = environment.get(name, str(usual))
    if not text.isdecimal() or len(text) > 9:
        raise _wrong(f"{name}={text!r} is not a whole number from 0 to 999,999,999.")
    return int(text)


def _wrong(what: str) -> UsageError:
    message = f"the environment variables for several processes are invalid: {what}"
    return UsageError("USAGE-PROCESSES", message, fix="start with torchrun, or first `unset RANK WORLD_SIZE`")


__all__ = ["Launch", "is_first", "launched"]

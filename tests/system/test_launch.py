from __future__ import annotations

import os
import socket

import pytest

from isthmus.errors import UsageError
from isthmus.system.launch import Launch, is_first, launched

BY_TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node1",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RESTART_COUNT": "2",
    "TORCHELASTIC_RUN_ID": "a1",
}


def test_what_torchrun_says_is_read() -> None:
    assert launched(BY_TORCHRUN) == Launch(3, 4, 1, 2, attempt=2, name="a1")
    assert not is_first(BY_TORCHRUN)
    assert is_first(BY_TORCHRUN | {"RANK": "0"})


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "1", "RANK": "0"}, {"WORLD_SIZE": "4"}])
def test_a_process_alone(environment: dict[str, str]) -> None:
    assert launched(environment) is None


def test_srun_need_not_say_what_is_local() -> None:
    kept = {name: BY_TORCHRUN[name] for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")}
    assert launched(kept) == Launch(3, 4, 0, 1, name=f"{os.getppid()} on {socket.gethostname()}")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"RANK": "4"}, "at most WORLD_SIZE, but got RANK=4, WORLD_SIZE=4, LOCAL_RANK=1, LOCAL_WORLD_SIZE=2"),
        ({"RANK": "first"}, "RANK='first' is not a whole number"),
        ({"LOCAL_RANK": "2"}, "ranks must be below their sizes"),
        ({"LOCAL_WORLD_SIZE": "5"}, "ranks must be below their sizes"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR is not set, but WORLD_SIZE=4 is"),
        ({"MASTER_ADDR": "", "MASTER_PORT": ""}, "MASTER_ADDR and MASTER_PORT are not set, but"),
        ({"WORLD_SIZE": "4444444444"}, "is not a whole number from 0 to 999,999,999"),
    ],
)
def test_variables_that_do_not_fit_are_refused(change: dict[str, str], error: str) -> None:
    with pytest.raises(UsageError, match=error) as caught:
        launched(BY_TORCHRUN | change)
    assert caught.value.fix == "start with torchrun, or first `unset RANK WORLD_SIZE`"

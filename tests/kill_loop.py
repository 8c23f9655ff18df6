"""Kills a training at random times, again and again, and resumes it; a separate program, started by a test.

It forks before PyTorch has any threads, so that a training costs no start-up and many kills are affordable.
Prints one JSON object: how far each killed process had come, and in what the outcome differs from the undisturbed run.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

import tiny
from isthmus.data.samples import Samples
from isthmus.data.stored_rows import StoredRows
from isthmus.system.lock import FolderLock
from isthmus.training import trainer as training
from isthmus.training.checkpoint import Checkpoints
from isthmus.training.prepared import Prepared

SECONDS = 0.3  # the longest time before a kill: enough for some epochs, each with its checkpoint, but not for all
EPOCHS = 20  # for every kill, more than a process can do before it is killed
SETTINGS = {"batch_size": 8, "noise": "gaussian:0.5", "dropout": 0.1, "lr": 0.01}


def train(folder: Path, ready: Prepared, *, save_always: bool, begun: Callable[[], Any]) -> None:
    """Trains to the end, or resumes; calls `begun` when everything is set up."""
    warnings.simplefilter("error")  # a damaged checkpoint would cause a warning
    if save_always:
        training.CHECKPOINT_SHARE = float("inf")
    with FolderLock(folder):
        trainer = tiny.trainer(ready, folder)
        found = Checkpoints(folder / "checkpoint").load()
        if found is not None:
            trainer.restore(*found)
        begun()
        tiny.run(trainer)


def forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def state_of(folder: Path) -> dict[str, Any]:
    """The state of a run, without times."""
    found = Checkpoints(folder / "checkpoint").load()
    if found is None:
        return {"step": 0}
    tensors, state = found
    costs = [(row["train_cost"], row["validation_cost"], row["lr"]) for row in state["history"]]
    flat = {f"{group}/{name}": value for group, values in tensors.items() for name, value in values.items()}
    return {"step": state["step"], "best_epoch": state["best_epoch"], "costs": costs, "tensors": flat}


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    names = [name for name in ("step", "best_epoch", "costs") if found[name] != expected[name]]
    tensors = expected["tensors"]
    if found["tensors"].keys() != tensors.keys():
        return [*names, "the names of the tensors"]
    return names + [name for name, value in tensors.items() if not torch.equal(found["tensors"][name], value)]


def killed_after(seconds: float, work: Callable[[Callable[[], Any]], None]) -> int:
    """Kills the work this long after it has begun; returns the exit code."""
    reading, writing = os.pipe()
    pid = forked(lambda: work(lambda: os.write(writing, b".")))
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def ready_for(folder: Path, epochs: int, *, streamed: bool) -> Prepared:
    """A table in memory, or one that is streamed from disk."""
    settings = SETTINGS | {"epochs": epochs}
    if not streamed:
        return tiny.prepared(tiny.table(), **settings)
    np.save(folder / "table.npy", tiny.table())
    rows = StoredRows(np.load(folder / "table.npy", mmap_mode="r"))
    return tiny.prepared(Samples(cast(np.ndarray, rows), "table"), buffer=24, stream="yes", **settings)


def main(folder: Path, kills: int, *, streamed: bool) -> None:
    torch.set_num_threads(1)
    chance, steps, codes = random.Random(kills), [], []
    ready = ready_for(folder, EPOCHS * kills, streamed=streamed)
    longest = SECONDS
    while len(codes) < kills or not steps[-1]:
        work = partial(train, folder / "killed", ready, save_always=True)
        codes.append(killed_after(chance.uniform(0, longest), lambda begun, work=work: work(begun=begun)))
        steps.append(state_of(folder / "killed")["step"])
        longest *= 1 if steps[-1] else 2  # on a busy machine nothing may be saved yet
    for name in ("killed", "whole"):
        pid = forked(partial(train, folder / name, ready, save_always=False, begun=lambda: None))
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    killed, whole = state_of(folder / "killed"), state_of(folder / "whole")
    print(json.dumps({"codes": codes, "steps": steps, "last": whole["step"], "different": differences(killed, whole)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), streamed="streamed" in sys.argv)

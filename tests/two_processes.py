"""Trainings of two processes on this machine; a separate program, started by tests.

It forks before PyTorch has any threads, so that a training costs no start-up. `python two_processes.py WHAT FOLDER`
prints what the function of that name in `WORK` found, as one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

os.environ["TORCH_CPP_LOG_LEVEL"] = "ERROR"  # as the command sets it, before PyTorch is imported

import numpy as np
import torch

import isthmus
import kill_loop
import tiny
from isthmus.data.samples import Samples
from isthmus.data.stored_rows import StoredRows
from isthmus.pipeline import execution  # noqa: F401  (once for all processes, because it takes a second)
from isthmus.pipeline.beginning import batches_for
from isthmus.pipeline.joining import joined
from isthmus.system import process_group
from isthmus.system.process_group import AbstractGroup
from isthmus.training import prepare
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.prepared import Prepared
from isthmus.training.trainer import Trainer

Work = Callable[[], Any]
STEPS = 20  # steps whose costs are compared, as in the contract
RECIPES: dict[str, dict[str, Any]] = {
    "shifted images": {"augment": "shift:2", "batch_size": 33},
    "noise and dropout": {"noise": "gaussian:0.2-0.6", "dropout": 0.2},
    "photons": {"noise": "poisson:20"},
    "convolutions": {"network": "conv", "hidden": [8, 8], "noise": "salt-and-pepper:0.2", "average": 0.9},
    "vae": {"bottleneck": "gaussian", "penalty_warmup": 0.4},
    "vqvae": {"bottleneck": "noise:0.1+vq:16", "terms": "contractive+mmd", "likelihood": "gaussian,variance=shared"},
    "sparse": {"bottleneck": "sparse:0.1", "terms": "l2", "clip": None},
    "streamed": {"augment": "shift:2", "noise": "gaussian:0.2-0.6", "batch_size": 33},
    "streamed photons": {"noise": "poisson:20"},
}


def together(*works: Work) -> tuple[list[int], list[Any]]:
    """Starts processes together, each with its rank; returns their exit codes and results."""
    return _ended(begun(*works))


def begun(*works: Work) -> list[tuple[int, int]]:
    """The process and the pipe of each rank."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    about = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(len(works))}
    return [
        _started(work, about | {"RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(len(works))})
        for rank, work in enumerate(works)
    ]


def program(what: str, folder: Path) -> Any:
    """Starts this program again for `what`, and returns its result."""
    done = subprocess.run([sys.executable, __file__, what, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def alone(work: Work) -> Any:
    """The result of a process without a launcher."""
    return _ended([_started(work, {})])[1][0]


def _started(work: Work, about: dict[str, str]) -> tuple[int, int]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    os.environ.update(about)
    warnings.simplefilter("error")
    try:
        found = work()
        with os.fdopen(writing, "w") as file:
            json.dump(found, file)
        code = 0
    except BaseException as error:
        code = getattr(error, "exit_code", 1)
        with os.fdopen(writing, "w") as file:
            told = getattr(error, "is_told", False)
            json.dump(
                {"error": getattr(error, "message", repr(error)), "fix": getattr(error, "fix", ""), "told": told}, file
            )
    os._exit(code)


def _ended(started: list[tuple[int, int]]) -> tuple[list[int], list[Any]]:
    results = []
    for _, reading in started:
        with os.fdopen(reading) as file:
            text = file.read()
        results.append(json.loads(text) if text else None)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid, _ in started], results


def trainer_of(ready: Prepared, group: AbstractGroup, out: Path | None = None) -> Trainer:
    model = prepare.fresh_model(ready)
    monitor = TrainingMonitor(model, out)
    return Trainer(
        model,
        batches_for(group, ready, model),
        ready.pairs(ready.splits.validation),
        ready.config.training,
        monitor,
        None,
        group,
    )


def step_costs(ready: Prepared, group: AbstractGroup) -> Any:
    """The first costs, the history without times, and the final weights."""
    trainer = trainer_of(ready, group)
    costs, step = [], trainer._step
    trainer._step = lambda rows: costs.append(float(found := step(rows))) or found  # type: ignore[method-assign]
    tiny.run(trainer)
    weights = {name: value.double().flatten().tolist() for name, value in tiny.weights(trainer.model).items()}
    history = [{k: v for k, v in row.items() if k not in {"seconds", "epoch"}} for row in trainer.monitor.history]
    return {"costs": costs[:STEPS], "history": history, "weights": weights}


def agreement(folder: Path) -> Any:
    """One and two processes, for every recipe above, and three processes with a batch of two at the end."""
    digits = np.random.default_rng(0).integers(0, 256, (176, 1, 16, 16), dtype=np.uint8)
    usual = {"epochs": 4, "batch_size": 32, "hidden": [16]}
    np.save(folder / "digits.npy", digits)
    ready = {name: _prepared(folder / "digits.npy", name, usual | settings) for name, settings in RECIPES.items()}
    few = {"few": tiny.prepared(digits[:40], epochs=2, batch_size=15, hidden=[16], bottleneck="gaussian")}

    def costs(of: dict[str, Prepared]) -> Any:
        with joined() as group:
            return {name: step_costs(prepared, group) for name, prepared in of.items()}

    return {
        "alone": alone(lambda: costs(ready | few)),
        "two": together(*[lambda: costs(ready)] * 2),
        "three": together(*[lambda: costs(few)] * 3),
    }


def _prepared(path: Path, name: str, settings: dict[str, Any]) -> Prepared:
    if not name.startswith("streamed"):
        return tiny.prepared(np.load(path), **settings)
    rows = StoredRows(np.load(path, mmap_mode="r"))
    return tiny.prepared(Samples(cast(np.ndarray, rows), "digits"), buffer=66, stream="yes", **settings)


def ends(folder: Path) -> Any:
    """Ends trainings of two processes in all ways: normally, by a signal, by a kill, by an error of one or of all."""
    np.save(folder / "rows.npy", tiny.table(200))
    np.save(folder / "others.npy", tiny.table(200, seed=1))

    def train(out: str, data: str = "rows.npy", show: Any = False, **more: Any) -> Work:
        settings: dict[str, Any] = tiny.SMALL | {"batch_size": 16, "epochs": 6} | more
        return lambda: str(isthmus.train(folder / data, out=folder / out, show=show, **settings).path)

    def resume(out: str) -> Work:
        return lambda: str(isthmus.resume(folder / out, show=False).path)

    def at_step(step: int, doing: Callable[[Trainer], Any], work: Work) -> Work:
        return lambda: (_at_step(step, doing), work())[1]

    stopping = train("stopped", show=tiny.Said(stop_at=18))
    return {
        "alone": [[0], [alone(train("alone"))]],
        "whole": together(train("whole"), train("whole")),
        "stopped": together(stopping, train("stopped")),
        "resumed alone": [[0], [alone(resume("stopped"))]],
        "killed": together(
            train("killed"), at_step(20, lambda trainer: os.kill(os.getpid(), signal.SIGKILL), train("killed"))
        ),
        "resumed by three": together(*[resume("killed")] * 3),
        "resumed when finished": together(*[resume("killed")] * 2),
        "failed": together(train("failed"), at_step(20, lambda trainer: 1 / 0, train("failed"))),
        "hanging": together(
            _impatient(train("hanging")), _impatient(at_step(20, lambda trainer: time.sleep(12), train("hanging")))
        ),
        "out of memory": together(train("memory"), at_step(20, _small_memory, train("memory"))),
        "diverged": together(
            *[at_step(20, lambda trainer: trainer.parameters[0].data.fill_(np.inf), train("diverged"))] * 2
        ),
        "folder there": together(*[train("whole")] * 2),
        "other data": together(train("new"), train("new", "others.npy")),
        "no data": together(train("new"), train("new", "missing.npy")),
        "other settings": together(train("new"), train("new", lr=0.001)),
    }


def _impatient(work: Work) -> Work:
    """Sets a time-out of three seconds for each step."""
    return lambda: (setattr(process_group, "PATIENCE", timedelta(seconds=3)), work())[1]


def _small_memory(trainer: Trainer) -> None:
    """From now on, more than two samples do not fit into the decoder."""
    warnings.simplefilter("ignore")

    def refuse(layer: torch.nn.Module, given: tuple[torch.Tensor]) -> None:
        if len(given[0]) > 2 and layer.training:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    trainer.model.decoder.register_forward_pre_hook(refuse)  # type: ignore[operator]


def _at_step(step: int, doing: Callable[[Trainer], Any]) -> None:
    real = Trainer._step

    def stepping(trainer: Trainer, rows: torch.Tensor) -> torch.Tensor:
        if trainer.progress.step == step:
            doing(trainer)
        return real(trainer, rows)

    Trainer._step = stepping  # type: ignore[method-assign]


def kills(folder: Path, **more: Any) -> Any:
    """Two processes, one of which is killed at random times, resume until they end; compared with undisturbed ones."""
    times, chance = int(os.environ.get("KILLS", "3")), random.Random(3)
    np.save(folder / "rows.npy", tiny.table(200))
    settings: dict[str, Any] = tiny.SMALL | kill_loop.SETTINGS | {"epochs": 40 * times} | more

    def train(name: str) -> Work:
        out = folder / name
        return lambda: str(isthmus.train(folder / "rows.npy", out=out, show=False, **settings).path)

    def go_on() -> Work:
        out = folder / "killed"
        there = (out / "run.json").is_file()
        return (lambda: str(isthmus.resume(out, show=False).path)) if there else train("killed")

    codes = []
    for _ in range(times):
        started = begun(go_on(), go_on())
        time.sleep(chance.uniform(0.3, 3.0))
        (one, _), (other, _) = chance.sample(started, 2)
        os.kill(one, signal.SIGKILL)
        time.sleep(0.1)
        os.kill(other, signal.SIGTERM)  # as torchrun does when one has ended
        codes.append(_ended(started)[0])
    ending = [together(go_on(), go_on()), together(train("whole"), train("whole"))]
    killed, whole = (kill_loop.state_of(folder / name) for name in ("killed", "whole"))
    return {"codes": codes, "ending": ending, "different": kill_loop.differences(killed, whole)}


# 4 kB: less than the 9.6 kB of the rows; four batches are shuffled at a time
WORK = {"agreement": agreement, "ends": ends, "kills": kills, "streamed kills": partial(kills, memory="4KB", buffer=32)}

if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(WORK[sys.argv[1]](Path(sys.argv[2]))))

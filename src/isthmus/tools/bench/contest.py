"""`isthmus bench`: trains the same network on the same images with several packages in turns, on this machine.

The network is the teaching notebook's, 784-512-256-32-256-512-784, trained on batches of 64. The packages take turns so
that other load on the machine affects all of them equally; only ratios within one call are meaningful.
"""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from isthmus.data.read import read
from isthmus.tools.bench.loops import floor, ours, ours_prepared, plain_loop
from isthmus.tools.bench.rivals import RIVALS

ROUNDS = 3  # turns: the median of three ignores one disturbed by other load
WARM = 256  # images of a short warm-up turn that does not count: libraries load and compile in it
IMAGES = 6_400  # per turn: 100 batches, which take isthmus half a second on two cores


class Speed(NamedTuple):
    """Images per second of each turn, or the reason for a failure."""

    turns: tuple[float, ...]
    failed: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.turns)


@dataclass(frozen=True)
class Contest:
    """The result of `bench`. Ratios are medians of the ratios to isthmus in the same turn."""

    precision: str
    threads: int
    speeds: dict[str, Speed] = field(default_factory=dict)

    def ratio(self, name: str) -> float:
        """Images per second, divided by those of isthmus."""
        ours_then = self.speeds["isthmus"].turns
        return statistics.median(a / b for a, b in zip(self.speeds[name].turns, ours_then, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """floor, ours and rivals, each with images per second and the ratio to ours, or why a rival failed."""
        told = {name: self._told(name) for name in self.speeds}
        rivals = {name: block for name, block in told.items() if name not in {"floor", "isthmus"}}
        about = {"precision": self.precision, "threads": self.threads}
        return {"floor": told["floor"], "ours": told["isthmus"], "rivals": rivals, **about}

    def _told(self, name: str) -> dict[str, Any]:
        speed = self.speeds[name]
        if speed.failed:
            return {"failed": speed.failed}
        return {"images_per_second": round(speed.median, 1), "ratio": round(self.ratio(name), 4)}


def bench(
    *, rounds: int = ROUNDS, images: int = IMAGES, progress: Callable[[str], object] = lambda name: None
) -> Contest:
    """Trains on `images` images with every installed package, in each of `rounds` turns; `progress` gets names."""
    raw = _images(images)
    training = ours_prepared(raw).config.training
    first = _in_turns(_contenders(raw[:WARM], training.precision), 1, lambda name: progress(f"first steps of {name}"))
    failed = {name: speed for name, speed in first.items() if speed.failed}
    able = {name: run for name, run in _contenders(raw, training.precision).items() if name not in failed}
    speeds = _in_turns(able, rounds, progress) | failed
    return Contest(training.precision, training.threads or torch.get_num_threads(), speeds)


def _contenders(raw: np.ndarray, precision: str) -> dict[str, Callable[[], float]]:
    """The name of each package, and a function that trains on the images once and returns images per second."""
    prepared, flat = ours_prepared(raw), raw.reshape(len(raw), -1).astype(np.float32) / 255
    found: dict[str, Callable[[], float]] = {
        "floor": lambda: floor(len(raw), precision),
        "isthmus": lambda: ours(prepared),
        "plain loop, DataLoader": lambda: plain_loop(flat),
    }
    installed = [rival for rival in RIVALS if importlib.util.find_spec(rival.module) is not None]
    return found | {rival.name: lambda run=rival.run: run(flat) for rival in installed}


def _in_turns(
    contenders: dict[str, Callable[[], float]], rounds: int, progress: Callable[[str], object]
) -> dict[str, Speed]:
    found: dict[str, Speed] = {}
    for turn in range(rounds):
        for name, run in contenders.items():
            before = found.get(name, Speed(()))
            if before.failed:
                continue
            progress(f"{name}, turn {turn + 1} of {rounds}")
            found[name] = _one(run, before, kept=name in {"floor", "isthmus"})
    return found


def _one(run: Callable[[], float], before: Speed, *, kept: bool) -> Speed:
    """One more turn. Any failure of a rival is recorded; the floor and isthmus must not fail."""
    try:
        return Speed((*before.turns, run()))
    except Exception as error:
        if kept:
            raise
        return Speed((), failed=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")


def _images(n: int) -> np.ndarray:
    """(n, 1, 28, 28) bytes: the shipped digits, repeated."""
    digits = read("mnist-2k").train.x
    return np.ascontiguousarray(np.resize(digits, (n, *digits.shape[1:])))


__all__ = ["Contest", "bench"]

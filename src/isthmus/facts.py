"""What a model is judged from: the numbers of `metrics.json`, the history, and `Facts` measured once after training."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

Level = Literal["pass", "warn", "fail"]
Metrics = Mapping[str, Any]
History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Verdict:
    """One answer in plain words; `try_next` is one command, or None where there is nothing to do."""

    id: str
    level: Level
    text: str
    try_next: str | None = None

    def as_dict(self) -> dict[str, str]:
        """As `metrics.json` holds it: id, level, text, and "try" where there is something to try."""
        found: dict[str, str] = {"id": self.id, "level": self.level, "text": self.text}
        return found | ({"try": self.try_next} if self.try_next else {})


@dataclass(frozen=True, eq=False)
class Facts:
    """All that judging needs and that is not in the metrics; what is None is not known, and is not judged.

    `train_cost` and `test_cost` are the finished model's readable costs per value (`readable` of the likelihood), the
    former on training samples without augmentation, both on the same kind of input (noisy for a denoiser); `_sem` are
    the standard errors of the two means. `train_floor` and `test_floor` are the least costs possible: under a Bernoulli
    likelihood the mean entropies of those very samples (both the metrics' `bce_floor` where they are not given), else 0.
    `code` are test codes (N, z_size), `signed_code` is False for a sigmoid's. `n_overlap` counts test samples that are
    in the training set too, `n_duplicates` training samples that repeat an earlier one, `n_out_of_range` values that
    the likelihood cannot take, out of those from `lowest` to `highest`. `path` is the run folder; `options` are the
    data options of the command line, such as "--label y --shape 28x28".
    """

    source: str
    recipe: str
    best_epoch: int
    epochs: int
    path: str = ""
    options: str = ""
    noise: str | None = None
    augment: str | None = None
    likelihood: str = "bernoulli"
    schedule: str = "one-cycle"
    stopped_by: str = "budget"
    train_cost: float | None = None
    test_cost: float | None = None
    train_cost_sem: float | None = None
    test_cost_sem: float | None = None
    train_floor: float | None = None
    test_floor: float | None = None
    code: np.ndarray | None = None
    signed_code: bool = True
    n_duplicates: int | None = None
    n_overlap: int | None = None
    n_out_of_range: int | None = None
    lowest: float | None = None
    highest: float | None = None

    @property
    def is_denoiser(self) -> bool:
        return self.noise not in (None, "", "none")

    @property
    def run(self) -> str:
        """The run as a word of a command line."""
        return shlex.quote(self.path or "latest")

    def train(self, changes: str, *, recipe: str | None = None) -> str:
        """The command that trains once more with `changes`; with another recipe only the data and noise are kept."""
        if self.path and recipe is None:
            return f"isthmus train --config {shlex.quote(f'{self.path}/config.toml')} {changes}".strip()
        noise = f"--noise {self.noise}" if self.is_denoiser else ""
        words = ["isthmus train", shlex.quote(self.source), "--recipe", recipe or self.recipe, noise, self.options]
        return " ".join(word for word in [*words, changes] if word)


class Gap(NamedTuple):
    """Training and test cost above their floors, their ratio, and twice the standard error of that ratio."""

    train: float
    test: float
    ratio: float
    error: float


class Case(NamedTuple):
    """What a question is asked of."""

    metrics: Metrics
    history: History
    facts: Facts

    @property
    def table(self) -> bool:
        return len(self.metrics["data"]["shape"]) == 1

    @property
    def sample(self) -> str:
        return "row" if self.table else "image"

    def number(self, *keys: str) -> float | None:
        """The metric at that address, or None where it is absent, null or not finite."""
        value: Any = self.metrics
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value if finite(value) else None

    @property
    def floors(self) -> tuple[float, float]:
        """The least possible training and test cost."""
        entropy = self.number("test", "bce_floor") if self.facts.likelihood.startswith("bernoulli") else None
        test = self.facts.test_floor if self.facts.test_floor is not None else entropy or 0.0
        return (self.facts.train_floor if self.facts.train_floor is not None else test), test

    def costs(self, name: str) -> list[float]:
        """A column of the history above the floor, finite values only."""
        values = [row.get(name) for row in self.history]
        return [v - self.floors[0] for v in values if v is not None and finite(v)]

    @property
    def gap(self) -> Gap | None:
        facts, (train_floor, test_floor) = self.facts, self.floors
        if not (finite(facts.train_cost) and finite(facts.test_cost)):
            return None
        train, test = (facts.train_cost or 0.0) - train_floor, (facts.test_cost or 0.0) - test_floor
        if train <= 0:  # the training set is known by heart, to the last digit
            return Gap(train, test, math.inf if test > 0 else 1.0, 0.0)
        # First-order propagation: the relative errors of a ratio's two independent parts add as squares.
        relative = math.hypot((facts.train_cost_sem or 0.0) / train, (facts.test_cost_sem or 0.0) / max(test, train))
        return Gap(train, test, test / train, 2 * relative * test / train)

    def learn_better(self) -> str:
        """For a model that has not learnt: the modern recipe, or a third of the learning rate where it is that."""
        if self.facts.recipe != "modern":
            return self.facts.train("", recipe="modern")
        rates = [row["lr"] for row in self.history if finite(row.get("lr"))]
        return self.facts.train(f"--lr {max(rates, default=3e-3) / 3:.1g}")  # 3e-3: the recipe's own

    def train_longer(self) -> str:
        if self.facts.recipe != "modern":
            return self.facts.train("", recipe="modern")
        return self.facts.train(f"--epochs {2 * self.facts.epochs}")

    def memorise_less(self) -> str:
        """Shifted copies make a small set of images larger; where there may be some already, or in a table, dropout."""
        if self.table or self.facts.augment != "none":
            return self.facts.train("--set model.dropout=0.2")
        return self.facts.train("--set training.augment=shift:2")


def finite(value: Any) -> bool:
    """Whether it is a number, and not NaN or infinite."""
    return isinstance(value, int | float) and math.isfinite(value)


def shown(value: float | None) -> str:
    """Three digits, as many as the scatter of a run allows."""
    return "not a finite number" if value is None else f"{value:.3g}"


def count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"

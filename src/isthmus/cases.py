"""What the questions are asked of and what they answer, `Case` and `Verdict`, with the words that all share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from isthmus.facts import Facts

Level = Literal["pass", "warn", "fail"]
Metrics = Mapping[str, Any]
History = Sequence[Mapping[str, Any]]

HARDLY = 0.9  # of the mean image's error: less than a tenth of what varies is explained
CLEARLY = 2.0  # test over training cost: half of what the test still costs comes from learning samples by heart


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

    def learn_better(self) -> str | None:
        """For a model that has not learnt: the modern recipe, or a third of the learning rate where it is that."""
        if self.facts.recipe != "modern":
            return self.facts.train("", recipe="modern")
        rates = [row["lr"] for row in self.history if finite(row.get("lr"))]
        return self.facts.train(f"--lr {max(rates, default=3e-3) / 3:.1g}")  # 3e-3: the recipe's own

    def train_longer(self) -> str | None:
        if self.facts.recipe != "modern":
            return self.facts.train("", recipe="modern")
        return self.facts.train(f"--epochs {2 * self.facts.epochs}")

    def memorise_less(self) -> str | None:
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

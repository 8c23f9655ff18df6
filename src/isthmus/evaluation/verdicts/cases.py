"""What the questions are asked of and what they answer, `Case` and `Verdict`, with the words that all share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from scipy import stats

from isthmus.evaluation.verdicts.facts import Facts
from isthmus.wording import counted

Level = Literal["pass", "warn", "fail"]
Metrics = Mapping[str, Any]
History = Sequence[Mapping[str, Any]]

HARDLY = 0.9  # of the mean image's error: less than a tenth of what varies is explained
LIKE_MEAN = 1.1  # of the mean image's error: as far above it; beyond, the answers are wrong rather than all the same
FEW_SAMPLES = 32  # to train on: half of one usual batch; a usual code of 32 numbers could give each one of its own
USUAL_LR = 6e-3  # the modern recipe's peak; rates above it may diverge, rates below a tenth of it hardly move
SURE = float(stats.norm.sf(2))  # one-sided: two standard errors, of however many samples
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
    """Training and test cost above their floors, the standard errors of the two, and the smaller number of samples."""

    train: float
    test: float
    train_sem: float
    test_sem: float
    n: float = math.inf

    @property
    def ratio(self) -> float:
        if self.train > 0:
            return self.test / self.train
        return math.inf if self.test > 0 else 1.0  # the training set is known by heart, to the last digit

    def exceeds(self, times: float) -> bool:
        """Whether test > times * training by more than chance: twice the standard error of that difference, more where
        the error itself is known from few samples (Student 1908), and never by a single sample.

        A ratio's own error is useless where the training cost is near zero; the difference is not (Fieller 1954).
        """
        if self.n < 2:
            return False
        errors = 2.0 if math.isinf(self.n) else float(stats.t.isf(SURE, self.n - 1))
        return self.test - times * self.train > errors * math.hypot(times * self.train_sem, self.test_sem)


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
    def times_mean(self) -> float | None:
        """The test error over that of the mean sample; None where one is not known."""
        mse, mean = self.number("test", "mse"), self.number("baselines", "mean", "mse")
        return None if mse is None or not mean else mse / mean

    @property
    def hardly_beats_mean(self) -> bool:
        """Whether it is known that no clear part of what varies is explained."""
        return self.times_mean is not None and self.times_mean > HARDLY

    @property
    def bits(self) -> float | None:
        """What the quantized code of one sample can hold; None for a code of real numbers."""
        codes, tokens, n = self.number("code", "codes"), self.number("code", "tokens"), self.number("data", "n_test")
        return tokens / n * math.log2(codes) if codes and tokens and n else None

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
        n = min(self.number("data", "n_train") or math.inf, self.number("data", "n_test") or math.inf)
        return Gap(train, test, facts.train_cost_sem or 0.0, facts.test_cost_sem or 0.0, n)

    @property
    def tested(self) -> str:
        """`3 test images`, as the subject of what they can tell."""
        n = self.number("data", "n_test")
        return f"the test {self.sample}s" if n is None else counted(int(n), f"test {self.sample}")

    @property
    def has_few(self) -> bool:
        """Whether there is so little to train on that no other setting would help."""
        n = self.number("data", "n_train")
        return n is not None and 0 < n < FEW_SAMPLES

    def learn_better(self) -> str | None:
        """For a model that has not learned: more data where it had little; the modern recipe instead of the notebook's;
        a usual learning rate; more epochs where it had few; else a third of its rate."""
        if self.has_few:
            return self.facts.with_more_data()
        if self.facts.recipe == "seed":
            return self.facts.train("", recipe="modern")
        peak = max((row["lr"] for row in self.history if finite(row.get("lr"))), default=USUAL_LR)
        usual = USUAL_LR / 10 < peak <= USUAL_LR
        if usual and self.facts.is_short and self.costs("train_cost"):
            return self.train_longer()
        return self.facts.train(f"--lr {peak / 3 if usual else USUAL_LR:.1g}")

    def train_longer(self) -> str | None:
        if self.has_few:
            return self.facts.with_more_data()
        if self.facts.recipe == "seed":
            return self.facts.train("", recipe="modern")
        return self.facts.train(f"--epochs {self.facts.more_epochs}")

    def memorize_less(self) -> str | None:
        """Shifted copies make a small set of images larger; where there may be some already, or in a table, dropout."""
        if self.table or self.facts.augment != "none":
            return self.facts.train("--set model.dropout=0.2")
        return self.facts.train("--set training.augment=shift:2")


def finite(value: Any) -> bool:
    """Whether it is a number, and not NaN or infinite."""
    return isinstance(value, int | float) and math.isfinite(value)


def moved(fall: float) -> str:
    """A relative fall in words: `0.11` -> `"fell by 11%"`, `-1.79` -> `"rose by 179%"`."""
    percent = round(100 * fall)
    return f"{'fell' if percent > 0 else 'rose'} by {abs(percent):,}%" if percent else "stayed the same"

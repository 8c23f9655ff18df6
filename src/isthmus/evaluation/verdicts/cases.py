"""`Case`, the input of all checks, and `Verdict`, their result, with the limits and suggestions that checks share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from scipy import special

from isthmus.evaluation.verdicts.verdict_inputs import Facts
from isthmus.wording import counted

Level = Literal["pass", "warn", "fail"]
Metrics = Mapping[str, Any]
History = Sequence[Mapping[str, Any]]

HARDLY = 0.9  # of the mean image's error: less than a tenth of the variance is explained
LIKE_MEAN = 1.1  # of the mean image's error: above it, outputs are wrong instead of merely all the same
FEW_SAMPLES = 32  # training samples: half of one usual batch; a usual code of 32 numbers could give each its own number
USUAL_LR = 6e-3  # peak of the modern recipe; training may diverge above it, and hardly progresses below a tenth of it
NEGLIGIBLE = 0.01  # of the mean image's error: memorization no longer matters if 99 % of the variance is explained
LOWERED = USUAL_LR / 3 * 1.01  # a rate up to this is a third already; 1 % for the rounding of the suggested rate
SURE = float(special.ndtr(-2))  # one-sided probability of more than two standard errors
DROPOUT = 0.2  # of the hidden units: twice the default for tables with few rows
LITTLE = 0.5  # of the variance: the code loses more than it keeps
LOSSLESS = 1e-6  # of the mean sample's error: float32 has seven digits, so nothing is lost
DECIDES = 0.5  # of all squared errors: without this test sample, the test error would be less than half
MANY_TESTS = 10  # test samples: with fewer, each one has a large share of the error
LATE = 0.75  # of the epochs: with a decaying rate, the best epoch is near the end; if not, more epochs did not help
CLEARLY = 2.0  # ratio of test to training cost: half of the test cost comes from memorization


@dataclass(frozen=True)
class Verdict:
    """The result of one check, in plain words; `try_next` is one command, or None if there is nothing to try."""

    id: str
    level: Level
    text: str
    try_next: str | None = None

    def as_dict(self) -> dict[str, str]:
        """As in `metrics.json`: id, level, text, and "try" if there is a command to try."""
        found: dict[str, str] = {"id": self.id, "level": self.level, "text": self.text}
        return found | ({"try": self.try_next} if self.try_next else {})


class Gap(NamedTuple):
    """Training and test cost above their floors, their standard errors, and the smaller of the two sample counts.

    `on` is the set that `test` was measured on: "validation" if the test set cannot be trusted.
    """

    train: float
    test: float
    train_sem: float
    test_sem: float
    n: float = math.inf
    on: str = "test"

    @property
    def ratio(self) -> float:
        if self.train > 0:
            return self.test / self.train
        return math.inf if self.test > 0 else 1.0  # the training set is memorized completely

    def exceeds(self, times: float) -> bool:
        """Whether test > times * training by more than chance: by two standard errors of the difference, or more if
        there are few samples (Student 1908). A single sample never shows it.

        The standard error of the ratio is useless if the training cost is near zero; that of the difference is not
        (Fieller 1954).
        """
        if self.n < 2:
            return False
        errors = 2.0 if math.isinf(self.n) else -float(special.stdtrit(self.n - 1, SURE))
        return self.test - times * self.train > errors * math.hypot(times * self.train_sem, self.test_sem)


class Case(NamedTuple):
    """All that a check needs to know about a run."""

    metrics: Metrics
    history: History
    facts: Facts

    @property
    def table(self) -> bool:
        return len(self.metrics["data"]["shape"]) == 1

    @property
    def sample(self) -> str:
        return "window" if "series" in self.metrics["data"] else "row" if self.table else "image"

    def number(self, *keys: str) -> float | None:
        """The metric under these keys, or None if it is absent, null or not finite."""
        value: Any = self.metrics
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value if finite(value) else None

    @property
    def times_mean(self) -> float | None:
        """The ratio of the test error to that of the mean sample; None if one is unknown."""
        mse, mean = self.number("test", "mse"), self.number("baselines", "mean", "mse")
        return None if mse is None or not mean else mse / mean

    @property
    def hardly_beats_mean(self) -> bool:
        """Whether the model is known to explain no clear part of the variance."""
        return self.times_mean is not None and self.times_mean > HARDLY

    @property
    def bits(self) -> float | None:
        """The capacity of the quantized code of one sample, in bits; None for a code of real numbers."""
        codes, tokens, n = self.number("code", "codes"), self.number("code", "tokens"), self.number("data", "n_test")
        return tokens / n * math.log2(codes) if codes and tokens and n else None

    @property
    def floors(self) -> tuple[float, float]:
        """The lowest possible training and test cost."""
        entropy = self.number("test", "bce_floor") if self.facts.likelihood.startswith("bernoulli") else None
        test = self.facts.test_floor if self.facts.test_floor is not None else entropy or 0.0
        return (self.facts.train_floor if self.facts.train_floor is not None else test), test

    @property
    def last_cycle(self) -> History:
        """The history since the learning rate last rose again after a fall, which it does when a run is extended."""
        rates = [row.get("lr") or 0.0 for row in self.history]
        begun = [i for i in range(2, len(rates)) if rates[i - 1] < rates[i] and rates[i - 1] < max(rates[: i - 1])]
        return self.history[begun[-1] :] if begun else self.history

    def costs(self, name: str, of: History | None = None) -> list[float]:
        """A column of the history above the floor, finite values only."""
        values = [row.get(name) for row in (self.history if of is None else of)]
        return [v - self.floors[0] for v in values if v is not None and finite(v)]

    @property
    def explained(self) -> float | None:
        """The share of the variance between test samples that the model explains, 1 - mse / mean sample's mse."""
        return None if self.times_mean is None else 1 - self.times_mean

    @property
    def pca_explained(self) -> float | None:
        """The same for PCA with as many components as the code has numbers."""
        pca, mean = self.number("baselines", "pca", "mse"), self.number("baselines", "mean", "mse")
        return None if pca is None or not mean else 1 - pca / mean

    @property
    def pca_loses_nothing(self) -> bool:
        """Whether PCA of the code's size loses nothing: then it is no useful baseline, and the code is too long."""
        z_size, D = self.number("z_size"), math.prod(self.metrics["data"]["shape"])
        if self.bits is not None:
            return False  # tokens hold less than the same number of real numbers
        share = self.pca_explained
        return (z_size is not None and z_size >= D) or (share is not None and 1 - share < LOSSLESS)

    @property
    def test_over_validation(self) -> Gap | None:
        """The squared errors of test samples, and of validation samples in place of `train`."""
        facts, test = self.facts, self.number("test", "mse")
        if test is None or not finite(facts.validation_mse):
            return None
        n = min(self.number("data", "n_validation") or math.inf, self.number("data", "n_test") or math.inf)
        sems = facts.validation_mse_sem or 0.0, facts.test_mse_sem or 0.0
        return Gap(facts.validation_mse or 0.0, test, *sems, n)

    @property
    def rests_on_one(self) -> bool:
        """Whether a single test sample accounts for most of the test error."""
        n, facts = self.number("data", "n_test") or 0, self.facts
        return finite(facts.worst_share) and (facts.worst_share or 0.0) > DECIDES and n >= MANY_TESTS

    @property
    def test_costs_more(self) -> bool:
        """Whether the mean test error is far above the mean validation error, by more than chance and not because of
        a single sample; never if the error is negligible compared with the variance of validation samples."""
        gap = self.test_over_validation
        if gap is None or self.rests_on_one or not gap.exceeds(CLEARLY):
            return False
        return gap.test > NEGLIGIBLE * (self.facts.validation_varies or 0.0)

    @property
    def test_is_unlike(self) -> bool:
        """Whether the same holds for the medians, which a few samples cannot change."""
        facts = self.facts
        return self.test_costs_more and (facts.test_median or 0.0) > CLEARLY * (facts.validation_median or 0.0)

    @property
    def rests_on_few(self) -> bool:
        """Whether only the mean test error is high and the median is not, so that a few test samples are the cause."""
        return self.test_costs_more and not self.test_is_unlike

    @property
    def test_misleads(self) -> bool:
        """Whether the mean test error shows more about the test samples than about the model."""
        return self.test_is_unlike or self.rests_on_one or self.rests_on_few

    @property
    def gap(self) -> Gap | None:
        facts, (train_floor, test_floor) = self.facts, self.floors
        if self.test_misleads:
            return self._gap_to_validation(train_floor)
        if not (finite(facts.train_cost) and finite(facts.test_cost)):
            return None
        train, test = (facts.train_cost or 0.0) - train_floor, (facts.test_cost or 0.0) - test_floor
        n = min(self.number("data", "n_train") or math.inf, self.number("data", "n_test") or math.inf)
        return Gap(train, test, facts.train_cost_sem or 0.0, facts.test_cost_sem or 0.0, n)

    def _gap_to_validation(self, train_floor: float) -> Gap | None:
        facts = self.facts
        if not (finite(facts.train_cost) and finite(facts.validation_cost)):
            return None
        n = min(self.number("data", "n_train") or math.inf, self.number("data", "n_validation") or math.inf)
        train = (facts.train_cost or 0.0) - train_floor
        other = (facts.validation_cost or 0.0) - (facts.validation_floor or 0.0)
        return Gap(train, other, facts.train_cost_sem or 0.0, facts.validation_cost_sem or 0.0, n, "validation")

    @property
    def counts_in_constants(self) -> bool:
        """Whether costs are shares of the cost of the best constant, as for columns of several kinds."""
        return self.facts.likelihood == "columns" and self.facts.has_floor

    @property
    def tested(self) -> str:
        """The samples that the gap was measured on, such as `3 test images`."""
        on = self.gap.on if self.gap else "test"
        n = self.number("data", f"n_{on}")
        return f"the {on} {self.sample}s" if n is None else counted(int(n), f"{on} {self.sample}")

    @property
    def has_few(self) -> bool:
        """Whether there are so few training samples that no other setting would help."""
        n = self.number("data", "n_train")
        return n is not None and 0 < n < FEW_SAMPLES

    @property
    def peak_lr(self) -> float | None:
        """The highest learning rate, from the settings, or else from the history, which has one rate per epoch."""
        if self.facts.lr is not None:
            return self.facts.lr
        return max((row["lr"] for row in self.history if finite(row.get("lr"))), default=None)

    @property
    def peaked_early(self) -> bool:
        """Whether the best epoch was long before the end, so that more epochs would not help."""
        facts = self.facts
        return facts.epochs >= 4 and 0 < facts.best_epoch < LATE * facts.epochs

    def learn_better(self) -> str | None:
        """The command for a model that has learned too little. The first that applies: more data if there was little;
        the modern recipe instead of the notebook's; a usual learning rate; more epochs if there were few; a third of
        the learning rate, once; a look at the data."""
        if self.has_few:
            return self.facts.with_more_data()
        if self.facts.recipe == "seed":
            return self.facts.train("", recipe="modern")
        peak = self.peak_lr or USUAL_LR
        usual = USUAL_LR / 10 < peak <= USUAL_LR
        if not usual:
            return self.facts.train(f"--lr {USUAL_LR:.1g}")
        if self.facts.is_short and self.costs("train_cost"):
            return self.train_longer()
        return self.facts.train(f"--lr {peak / 3:.1g}") if peak > LOWERED else self.facts.check()

    def train_longer(self) -> str | None:
        """The command that continues the run with more epochs. If the best epoch was long before the end: a command
        against memorization if the model memorized, else a lower learning rate."""
        if self.has_few:
            return self.facts.with_more_data()
        if self.facts.recipe == "seed":
            return self.facts.train("", recipe="modern")
        if self.peaked_early:
            peak, memorized = self.peak_lr or USUAL_LR, self.gap is not None and self.gap.exceeds(1)
            lower = self.facts.train(f"--lr {peak / 3:.1g}") if peak > LOWERED else self.facts.check()
            return self.memorize_less() if memorized else lower
        return self.facts.longer()

    def memorize_less(self) -> str | None:
        """The command against memorization: shifted copies of images; dropout if images are augmented already, and for
        tables; more data if there is dropout already."""
        if self.facts.dropout >= DROPOUT:
            return self.facts.with_more_data()
        if self.table or self.facts.augment != "none":
            return self.facts.train(f"--set model.dropout={DROPOUT:g}")
        return self.facts.train("--set training.augment=shift:2")


def finite(value: Any) -> bool:
    """Whether `value` is a number other than NaN and infinity."""
    return isinstance(value, int | float) and math.isfinite(value)


def moved(fall: float) -> str:
    """A relative decrease in words: `0.11` -> `"fell by 11%"`, `-1.79` -> `"rose by 179%"`."""
    percent = round(100 * fall)
    return f"{'fell' if percent > 0 else 'rose'} by {abs(percent):,}%" if percent else "stayed the same"

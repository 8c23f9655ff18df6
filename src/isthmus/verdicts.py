"""Plain words about a trained model: what is good, what is wrong, with which numbers, and what to try.

`judge` asks one question after another; each answer is a `Verdict` with a fixed id. pass: nothing to do. warn: usable,
and something would make it better. fail: do not use it for this before it is mended. `docs/verdicts.md` holds the
table of all ids, their limits, and what the limits were measured on.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from isthmus.facts import Facts

Level = Literal["pass", "warn", "fail"]
Metrics = Mapping[str, Any]
History = Sequence[Mapping[str, Any]]

HARDLY = 0.9  # of the mean image's error: less than a tenth of what varies is explained
PCA_NEAR = 1.1  # of PCA's error: within a tenth, a longer run or another seed may still turn it
A_LITTLE, CLEARLY, BADLY = (
    1.05,
    2.0,
    4.0,
)  # test over training cost, both above the floor; docs/verdicts.md has the runs
NEGLIGIBLE = 0.01  # of the mean image's error: memorising no longer matters where 99 % is explained
LAST_PART, STILL_FALLING = 0.2, 0.05  # the last fifth of the epochs; costs swing by 2 to 3 % from epoch to epoch
YOUNG = 1.05  # test over training cost: below, twice the steps took 10 to 27 % off the rest, above 1.1 mostly under 10
EARLY_FALL = (
    0.12  # from a quarter to half of a one-cycle schedule: finished networks fell 5 to 8 %, unfinished 19 to 27
)
FELL = 0.02  # of the first epoch's cost above the floor: less is the swing of one epoch
DEAD = 0.01  # of the units' typical deviation: the decoder would need weights a hundred times larger to hear it
STUCK = 0.9  # share of a unit's codes at the ends of its range, where learning is under 8 % of full speed
MANY = 0.5  # of the units: the code is half as large as it says
OVERLAP_WARN, OVERLAP_FAIL = 0.001, 0.1  # of the test set: a thousandth cannot be seen in a mean; a tenth decides it
CLEAR_LEAD_DB = 0.5  # about the least difference that people see side by side


@dataclass(frozen=True)
class Verdict:
    """One answer in plain words; `try_next` is one command, or None where there is nothing to do."""

    id: str
    level: Level
    text: str
    try_next: str | None = None

    def as_dict(self) -> dict[str, str]:
        """As `metrics.json` holds it: id, level, text, and "try" where there is something to try."""
        found = {"id": self.id, "level": self.level, "text": self.text}
        return found | ({"try": self.try_next} if self.try_next else {})


class Case(NamedTuple):
    """What a judge sees."""

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
        return value if isinstance(value, int | float) and math.isfinite(value) else None

    @property
    def floors(self) -> tuple[float, float]:
        """The least possible training and test cost."""
        entropy = self.number("test", "bce_floor") if self.facts.likelihood == "bernoulli" else None
        test = self.facts.test_floor if self.facts.test_floor is not None else entropy or 0.0
        return (self.facts.train_floor if self.facts.train_floor is not None else test), test

    def costs(self, name: str) -> list[float]:
        """A column of the history above the floor, finite values only."""
        values = [row.get(name) for row in self.history]
        return [v - self.floors[0] for v in values if isinstance(v, int | float) and math.isfinite(v)]


def judge(metrics: Metrics, history: History, facts: Facts) -> list[Verdict]:
    """Every verdict that these numbers allow, in a fixed order; healthy ones are there too, with level "pass"."""
    case = Case(metrics, history, facts)
    return [verdict for question in QUESTIONS if (verdict := question(case)) is not None]


def beats_mean(case: Case) -> Verdict | None:
    """Whether the model does better than answering every sample with the mean one."""
    mse, mean = case.number("test", "mse"), case.number("baselines", "mean", "mse")
    if mean is None or "mse" not in case.metrics.get("test", {}):
        return None
    if mse is None:
        return Verdict("beats-mean", "fail", "Its test error is not a finite number.", _learn_better(case))
    numbers = f"mean squared error {_n(mse)} against {_n(mean)}"
    if mse >= mean:
        text = f"It does not beat the mean {case.sample}, which is the same answer for every input: {numbers}."
        return Verdict("beats-mean", "fail", text, _learn_better(case))
    if mse > HARDLY * mean:
        return Verdict("beats-mean", "warn", f"It hardly beats the mean {case.sample}: {numbers}.", _learn_better(case))
    return Verdict("beats-mean", "pass", f"It beats the mean {case.sample}: {numbers}.")


def beats_pca(case: Case) -> Verdict | None:
    """Whether it beats the best linear code of the same size. Not asked of denoisers (PCA sees the clean samples), nor
    where PCA has as many components as there are values, so that it loses nothing."""
    mse, other = case.number("test", "mse"), case.number("baselines", "pca", "mse")
    k = case.number("baselines", "pca", "n_components")
    if (
        mse is None
        or other is None
        or k is None
        or case.facts.is_denoiser
        or k >= math.prod(case.metrics["data"]["shape"])
    ):
        return None
    same = "of the same size" if k == case.metrics.get("z_size", k) else f"with {k:.0f} components"
    numbers = f"mean squared error {_n(mse)} against {_n(other)}"
    if mse < other:
        return Verdict("beats-pca", "pass", f"It beats PCA {same}: {numbers}.")
    level: Level = "warn" if mse < PCA_NEAR * other else "fail"
    text = f"It does not beat PCA {same}, which is quicker and has no settings: {numbers}."
    gap = _gap(case)
    clear = gap is not None and gap.ratio > CLEARLY
    return Verdict("beats-pca", level, text, _less_memory(case) if clear else _more_training(case))


class Gap(NamedTuple):
    """Training and test cost above their floors, their ratio, and twice the standard error of that ratio."""

    train: float
    test: float
    ratio: float
    error: float


def _gap(case: Case) -> Gap | None:
    facts, (train_floor, test_floor) = case.facts, case.floors
    if facts.train_cost is None or facts.test_cost is None:
        return None
    train, test = facts.train_cost - train_floor, facts.test_cost - test_floor
    if not (math.isfinite(train) and math.isfinite(test)):
        return None
    if train <= 0:  # the training set is known by heart, to the last digit
        return Gap(train, test, math.inf if test > 0 else 1.0, 0.0)
    # First-order propagation: the relative errors of a ratio's two independent parts add as squares.
    relative = math.hypot((facts.train_cost_sem or 0.0) / train, (facts.test_cost_sem or 0.0) / max(test, train))
    return Gap(train, test, test / train, 2 * relative * test / train)


def overfitting(case: Case) -> Verdict | None:
    """Whether the finished model costs more on test than on training samples, both above what no model can avoid."""
    gap = _gap(case)
    if gap is None:
        return None
    floor = " above the least possible" if max(case.floors) > 0 else ""
    numbers = f"the cost{floor} is {_n(gap.test)} on test and {_n(gap.train)} on training {case.sample}s"
    numbers += f", {_n(gap.ratio)} times" if math.isfinite(gap.ratio) else ""
    if gap.ratio <= A_LITTLE or gap.ratio - gap.error <= 1:
        return Verdict("overfitting", "pass", f"It does not overfit: {numbers}.")
    mse, mean = case.number("test", "mse"), case.number("baselines", "mean", "mse")
    if gap.ratio - gap.error <= CLEARLY or (mse is not None and mean is not None and mse < NEGLIGIBLE * mean):
        return Verdict("overfitting", "pass", f"It overfits a little, as most networks do: {numbers}.")
    level: Level = "fail" if gap.ratio - gap.error > BADLY else "warn"
    text = f"It clearly overfits, so it knows its training {case.sample}s partly by heart: {numbers}."
    return Verdict("overfitting", level, text, _less_memory(case))


def stopped_too_early(case: Case) -> Verdict | None:
    """Whether more training of the same kind would have gone on helping."""
    facts = case.facts
    if facts.stopped_by == "interrupted":
        text = f"Training was interrupted after epoch {facts.epochs}."
        return Verdict("stopped-too-early", "warn", text, f"isthmus resume {shlex.quote(facts.run or 'latest')}")
    if facts.stopped_by == "patience":
        text = f"Training ended by itself: the validation cost was best at epoch {facts.best_epoch} of {facts.epochs}."
        return Verdict("stopped-too-early", "pass", text)
    costs = case.costs("validation_cost")
    return _early_constant(case, costs) if facts.schedule == "constant" else _early_one_cycle(case, costs)


def _early_constant(case: Case, costs: list[float]) -> Verdict | None:
    facts, last = case.facts, max(1, round(LAST_PART * len(costs)))
    if len(costs) < 2:
        return None
    before, now = min(costs[:-last]), min(costs)
    fall = 1 - now / before if before > 0 else 0.0
    numbers = f"in the last {_count(last, 'epoch')} of {len(costs)} the validation cost fell by {fall:.0%}"
    if fall > STILL_FALLING and facts.best_epoch > len(costs) - last:
        text = f"It stopped while it was still learning: {numbers}."
        resume = f"isthmus resume {shlex.quote(facts.run or 'latest')} --epochs {2 * facts.epochs}"
        return Verdict("stopped-too-early", "warn", text, resume)
    return Verdict("stopped-too-early", "pass", f"It was not stopped too early: {numbers}.")


def _early_one_cycle(case: Case, costs: list[float]) -> Verdict | None:
    """The end of a decaying schedule always looks like progress, so its end says nothing. Two other signs must agree:
    the network has not begun to memorise, and it was still learning fast before the decay took over."""
    gap, facts = _gap(case), case.facts
    if gap is None:
        return None
    if gap.ratio > YOUNG:
        text = f"It was not stopped too early: it already fits its training {case.sample}s better than new ones"
        return Verdict("stopped-too-early", "pass", f"{text} (cost ratio {_n(gap.ratio)}).")
    numbers = f"it fits new {case.sample}s as well as those it trained on (cost ratio {_n(gap.ratio)})"
    if len(costs) >= 4:
        quarter, half = costs[len(costs) // 4 - 1], costs[len(costs) // 2 - 1]
        fall = 1 - half / quarter if quarter > 0 else 0.0
        numbers += f", and from a quarter to half of the schedule the validation cost fell by {fall:.0%}"
        if fall < EARLY_FALL:
            return Verdict("stopped-too-early", "pass", f"It was not stopped too early: {numbers}.")
    text = f"{_count(facts.epochs, 'epoch')} were few: {numbers}, so a longer run would still gain."
    return Verdict("stopped-too-early", "warn", text, facts.train(f"--epochs {2 * facts.epochs}"))


def cost_never_fell(case: Case) -> Verdict | None:
    """Whether the training cost came down at all; one epoch cannot show it, unless the model beats the mean clearly."""
    costs = case.costs("train_cost")
    if len(case.history) < 2:
        return None
    if not costs:
        return Verdict("cost-never-fell", "fail", "The training cost was never a finite number.", _learn_better(case))
    first, best, floor = costs[0], min(costs), case.floors[0]
    mse, mean = case.number("test", "mse"), case.number("baselines", "mean", "mse")
    fell_at_once = mse is not None and mean is not None and mse < HARDLY * mean
    numbers = f"{_n(first + floor)} after the first epoch, {_n(best + floor)} at its best"
    if best > (1 - FELL) * first and not fell_at_once:
        text = f"The training cost never fell: {numbers}, in {_count(len(case.history), 'epoch')}."
        return Verdict("cost-never-fell", "fail", text, _learn_better(case))
    return Verdict("cost-never-fell", "pass", f"The training cost fell: {numbers}.")


def dead_units(case: Case) -> Verdict | None:
    """Whether units of the code give nearly the same value for every sample.

    Dead means a standard deviation under 1 % of the typical one: of the root mean square over the units (the median
    would be zero itself once half of them are dead), of the whole range of 1 for a sigmoid code.
    """
    code = case.facts.code
    if code is None or not code.std:
        return None
    Z = len(code.std)
    typical = 1.0 if code.saturated is not None else math.sqrt(sum(s * s for s in code.std) / Z)
    dead = [unit for unit, std in enumerate(code.std) if not std > DEAD * typical]
    numbers = f"standard deviations from {_n(min(code.std))} to {_n(max(code.std))}"
    if not dead:
        return Verdict("dead-units", "pass", f"All {Z} units of the code are in use: {numbers}.")
    level: Level = "fail" if len(dead) >= MANY * Z else "warn"
    text = f"{len(dead)} of {Z} units of the code hardly change from {case.sample} to {case.sample} ({_units(dead)}): {numbers}."
    fix = _learn_better(case) if level == "fail" else case.facts.train(f"--z-size {Z - len(dead)}")
    return Verdict("dead-units", level, text, fix)


def saturated_units(case: Case) -> Verdict | None:
    """Whether units of a sigmoid code sit at the ends of their range, where they hardly learn any more."""
    code = case.facts.code
    if code is None or not code.saturated:
        return None
    Z, stuck = len(code.saturated), [unit for unit, share in enumerate(code.saturated) if share >= STUCK]
    if not stuck:
        text = f"at most {max(code.saturated):.0%} of a unit's values are below 0.02 or above 0.98"
        return Verdict("saturated-units", "pass", f"No unit of the code sits at the ends of its range: {text}.")
    level: Level = "fail" if len(stuck) >= MANY * Z else "warn"
    text = f"{len(stuck)} of {Z} units of the code are stuck at the ends of their range ({_units(stuck)})"
    text += (
        f": at least {min(code.saturated[unit] for unit in stuck):.0%} of their values are below 0.02 or above 0.98."
    )
    return Verdict("saturated-units", level, text, case.facts.train("--set model.bottleneck=identity"))


def targets_out_of_range(case: Case) -> Verdict | None:
    """Whether binary cross-entropy was asked about values that are no probabilities."""
    facts = case.facts
    if facts.n_out_of_range is None or facts.likelihood != "bernoulli":
        return None
    seen = f" (from {_n(facts.lowest)} to {_n(facts.highest)})" if None not in (facts.lowest, facts.highest) else ""
    if not facts.n_out_of_range:
        return Verdict(
            "targets-out-of-range", "pass", f"All values lie in [0, 1]{seen}, as binary cross-entropy needs."
        )
    text = (
        f"{_count(facts.n_out_of_range, 'value')} lie outside [0, 1]{seen}, where binary cross-entropy means nothing."
    )
    return Verdict("targets-out-of-range", "fail", text, facts.train("--set data.scale=minmax"))


def train_test_overlap(case: Case) -> Verdict | None:
    """Whether test samples were seen in training, so that the test flatters."""
    facts, n_test = case.facts, case.metrics["data"].get("n_test")
    if facts.n_overlap is None or not n_test:
        return None
    share = facts.n_overlap / n_test
    repeats = (
        f" {_count(facts.n_duplicates, f'training {case.sample}')} repeat an earlier one." if facts.n_duplicates else ""
    )
    numbers = f"{facts.n_overlap:,} of {n_test:,} test {case.sample}s are also in the training set"
    if share <= OVERLAP_WARN:
        few = (
            f"{numbers}, too few to matter"
            if facts.n_overlap
            else f"none of {n_test:,} test {case.sample}s was seen in training"
        )
        return Verdict("train-test-overlap", "pass", f"{_capital(few)}.{repeats}")
    level: Level = "fail" if share >= OVERLAP_FAIL else "warn"
    text = f"{_capital(numbers)} ({share:.1%}), so the test flatters the model.{repeats}"
    check = " ".join(word for word in ("isthmus check", shlex.quote(facts.source), facts.options) if word)
    return Verdict("train-test-overlap", level, text, check)


def denoiser_beats_filter(case: Case) -> Verdict | None:
    """Whether a denoiser does better than the best classical filter, tuned for this noise, and than doing nothing."""
    block = case.metrics.get("denoising")
    if not block:
        return None
    rivals = {"leaving the noise in": block["noisy"]} | {
        NAMES.get(name, name): found for name, found in block.get("baselines", {}).items() if isinstance(found, Mapping)
    }
    # One image given back exactly makes a mean PSNR infinite, written null: then SSIM, which is always finite, decides.
    measure = "psnr_db" if all(_finite(b.get("psnr_db")) for b in [block["denoised"], *rivals.values()]) else "ssim"
    ours = block["denoised"].get(measure)
    best = max(rivals, key=lambda name: rivals[name].get(measure) or -math.inf)
    theirs = rivals[best].get(measure)
    if not (_finite(ours) and _finite(theirs)):
        return Verdict("denoiser-beats-filter", "fail", "Its denoised images are not finite.", _learn_better(case))
    unit = " dB" if measure == "psnr_db" else " SSIM"
    numbers = f"{ours:.2f}{unit} against {theirs:.2f}{unit}, on {block.get('n', 'the')} test images"
    if ours <= theirs:
        text = f"The denoiser does not beat {best}: {numbers}."
        return Verdict("denoiser-beats-filter", "fail", text, _more_training(case))
    if measure == "psnr_db" and ours - theirs < CLEAR_LEAD_DB:
        text = f"The denoiser is hardly better than {best}: {numbers}."
        return Verdict("denoiser-beats-filter", "warn", text, _more_training(case))
    return Verdict("denoiser-beats-filter", "pass", f"The denoiser beats {best}: {numbers}.")


NAMES = {
    "median": "the median filter",
    "nlm": "non-local means",
    "tv": "total-variation smoothing",
    "wavelet": "wavelet thresholding",
}
QUESTIONS: tuple[Callable[[Case], Verdict | None], ...] = (
    cost_never_fell,
    beats_mean,
    beats_pca,
    denoiser_beats_filter,
    overfitting,
    stopped_too_early,
    dead_units,
    saturated_units,
    targets_out_of_range,
    train_test_overlap,
)


def headline(verdicts: Sequence[Verdict], metrics: Metrics) -> str:
    """The run in one sentence: the worst that was found, and the three numbers that say most."""
    case = Case(metrics, (), Facts(source="", recipe="", best_epoch=0, epochs=0))
    block = metrics.get("denoising")
    worst = [v.id for v in verdicts if v.level == "fail"] or [v.id for v in verdicts if v.level == "warn"]
    failed = any(v.level == "fail" for v in verdicts)
    opening = f"{'Not good yet' if failed else 'Good, with a warning'} ({', '.join(worst)})" if worst else "Good"
    if block:
        filters = [
            b for b in block.get("baselines", {}).values() if isinstance(b, Mapping) and _finite(b.get("psnr_db"))
        ]
        best = max((b["psnr_db"] for b in filters), default=None)
        than = f", the best classical filter {_db(best)}" if best is not None else ""
        noisy, denoised = _db(block["noisy"].get("psnr_db")), _db(block["denoised"].get("psnr_db"))
        return f"{opening}: noisy test images have {noisy}, denoised ones {denoised}{than}."
    pca, mean = case.number("baselines", "pca", "mse"), case.number("baselines", "mean", "mse")
    others = [f"PCA {_n(pca)}"] * (pca is not None) + [f"the mean {case.sample} {_n(mean)}"] * (mean is not None)
    than = f"; {', '.join(others)}" if others else ""
    return f"{opening}: the mean squared error on test {case.sample}s is {_n(case.number('test', 'mse'))}{than}."


def _learn_better(case: Case) -> str:
    """For a model that has not learnt: the modern recipe, or a third of the learning rate where it is that already."""
    if case.facts.recipe != "modern":
        return case.facts.train("", recipe="modern")
    rates = [row["lr"] for row in case.history if _finite(row.get("lr"))]
    return case.facts.train(f"--lr {max(rates, default=3e-3) / 3:.1g}")


def _more_training(case: Case) -> str:
    if case.facts.recipe != "modern":
        return case.facts.train("", recipe="modern")
    return case.facts.train(f"--epochs {2 * case.facts.epochs}")


def _less_memory(case: Case) -> str:
    """Shifted copies make a small set of images larger; where there are some already, or in a table, dropout."""
    if case.table or case.facts.augment not in ("none", ""):
        return case.facts.train("--set model.dropout=0.2")
    return case.facts.train("--set training.augment=shift:2")


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _n(value: float | None) -> str:
    """Three digits, as many as the scatter of a run allows."""
    return "not a finite number" if value is None else f"{value:.3g}"


def _db(value: float | None) -> str:
    return "infinite or undefined PSNR" if value is None else f"{value:.1f} dB"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _units(units: Sequence[int]) -> str:
    shown = ", ".join(f"z{unit}" for unit in units[:5])  # five give the pattern; the pictures show all
    return shown if len(units) <= 5 else f"{shown}, …"

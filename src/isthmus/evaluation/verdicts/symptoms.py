"""Questions about how a model was trained: whether it learned, memorized, stopped too soon, and uses its whole code."""

from __future__ import annotations

import math

import numpy as np

from isthmus.evaluation.verdicts.cases import CLEARLY, HARDLY, LIKE_MEAN, NEGLIGIBLE, Case, Gap, Level, Verdict, moved
from isthmus.wording import counted, number

# Costs are counted above the least possible one throughout. docs/verdicts.md shows the runs that the limits come from.
FELL = 0.02  # of the cost of the mean image, or of the first epoch: less is the swing of one epoch
A_LITTLE = 1.03  # test over training cost: the notebook's own run has 1.04, and its author calls that a little
A_TENTH = 1 - HARDLY  # of what varies, where costs are told as a share of it: less is hardly anything, here as there
BADLY = 4.0  # test over training cost: three quarters of what the test still costs comes from learning by heart
LAST_PART = 0.2  # of the epochs, at a constant rate: fewer show chance, more show the beginning
STILL_FALLING = 0.05  # in that part: twice the 2 to 3 % by which costs swing from epoch to epoch
EARLY_FALL = 0.22  # from a quarter to half of a one-cycle schedule: above it, twice the steps took off 13 to 28 % more
YOUNG = 1.15  # test over training cost: under it that holds, above it twice the steps took off less than 10 %
ENDS = (0.02, 0.98)  # outside, a sigmoid's slope z (1 - z) is under 0.0196, 8 % of its steepest
LEAST_CODES = 10  # test samples: the deviation of a handful of codes says nothing
DEAD = 0.01  # of the units' typical deviation: the decoder would need weights a hundred times larger to hear it
NO_EFFECT = 1e-4  # of a unit's fair share of what varies: DEAD squared, for errors are squares
STUCK = 0.9  # share of a unit's codes outside ENDS, so that it learns at under 8 % of full speed
MANY = 0.5  # of the units: the code is half as large as it says


def cost_never_fell(case: Case) -> Verdict | None:
    """Whether the validation cost came below what the mean image costs on the same samples; where that is not known,
    whether the training cost came below its first value.

    A network that answers everything with the mean has fallen too, from its random start, and has learned nothing.
    """
    mean_cost, floor, facts = case.number("mean_cost"), case.floors[0], case.facts
    name = "training" if mean_cost is None else "validation"
    costs = case.costs("train_cost" if mean_cost is None else "validation_cost")
    if not case.history:
        return None
    if not costs:
        return Verdict("cost-never-fell", "fail", f"The {name} cost was never a finite number.", case.learn_better())
    if mean_cost is None and (len(costs) < 2 or _beats_mean_clearly(case)):
        return None  # all the falling may have happened within the first epoch
    start = costs[0] if mean_cost is None else mean_cost - floor
    mark = f"its first value, {number(start + floor)}"
    mark = mark if mean_cost is None else f"that of the mean {case.sample}, {number(mean_cost)}"
    numbers = f"{number(min(costs) + floor)} at its best, in {counted(len(case.history), 'epoch')}"
    if min(costs) > start - FELL * (start if facts.has_floor else 1.0):  # else nats: 0.02 is an error 2 % smaller
        text = f"The {name} cost never fell clearly below {mark}: {numbers}."
        return Verdict("cost-never-fell", "fail", text, case.learn_better())
    return Verdict("cost-never-fell", "pass", f"The {name} cost fell below {mark}: {numbers}.")


def _beats_mean_clearly(case: Case) -> bool:
    mse, mean = case.number("test", "mse"), case.number("baselines", "mean", "mse")
    return mse is not None and mean is not None and mse < HARDLY * mean


def overfitting(case: Case) -> Verdict | None:
    """Whether the finished model costs more on test than on training samples, both above what no model can avoid."""
    gap = case.gap
    if gap is None:
        return None
    numbers = _costs_sentence(case, gap)
    mse, mean = case.number("test", "mse"), case.number("baselines", "mean", "mse")
    if gap.on == "validation":
        mse, mean = case.facts.validation_mse, case.facts.validation_varies
    negligible = mse is not None and mean is not None and mse < NEGLIGIBLE * mean
    few = f"with {case.tested} that is uncertain"
    if gap.ratio <= A_LITTLE:
        text = "It does not overfit" if gap.n > 1 else f"It does not seem to overfit, but {few}"
        return Verdict("overfitting", "pass", f"{text}: {numbers}.")
    if negligible:
        text = f"It overfits a little, but explains over {1 - NEGLIGIBLE:.0%} of the variance: {numbers}."
        return Verdict("overfitting", "pass", text)
    small = case.counts_in_constants and gap.test - gap.train < A_TENTH
    if not gap.exceeds(1):
        if gap.ratio <= CLEARLY or small:
            return Verdict("overfitting", "pass", f"No clear overfitting; the difference can be chance: {numbers}.")
        text = f"It may overfit, but {few}: {numbers}."
        return Verdict("overfitting", "warn", text, case.memorize_less())
    if gap.ratio <= CLEARLY:
        return Verdict("overfitting", "pass", f"It overfits a little, as most networks do: {numbers}.")
    if small:
        lost = f"less than {A_TENTH:.0%} of what a constant costs comes from memorization"
        return Verdict("overfitting", "pass", f"It overfits a little: {numbers}; {lost}.")
    if not gap.exceeds(CLEARLY):
        text = f"It overfits; {case.tested} cannot show how much: {numbers}."
        return Verdict("overfitting", "warn", text, case.memorize_less())
    level: Level = "fail" if gap.exceeds(BADLY) else "warn"
    text = f"It clearly overfits: it has memorized part of its training {case.sample}s; {numbers}."
    return Verdict("overfitting", level, text, case.memorize_less())


def _costs_sentence(case: Case, gap: Gap) -> str:
    """`the cost above the least possible is 0.108 on test and 0.103 on training images, a ratio of 1.04`."""
    what = "the cost" + " above the least possible" * (max(case.floors) > 0)
    what = what if case.facts.has_floor else "the mean squared error"
    numbers = f"{what} is {number(gap.test)} on {gap.on} and {number(gap.train)} on training {case.sample}s"
    return numbers + (f", a ratio of {number(gap.ratio)}" if math.isfinite(gap.ratio) else "")


def stopped_too_early(case: Case) -> Verdict | None:
    """Whether more training of the same kind would have gone on helping."""
    facts = case.facts
    if facts.stopped_by == "interrupted":
        text = f"Training was interrupted after epoch {facts.epochs}."
        return Verdict("stopped-too-early", "warn", text, facts.resume())
    if facts.stopped_by == "request":
        text = f"Training was ended by hand after {counted(facts.epochs, 'epoch')}, before its budget was used up."
        return Verdict("stopped-too-early", "warn", text, facts.resume(f"--epochs {facts.more_epochs}"))
    if facts.stopped_by == "patience":
        text = f"Training ended by itself: the validation cost was best at epoch {facts.best_epoch} of {facts.epochs}."
        return Verdict("stopped-too-early", "pass", text)
    if not facts.has_floor:
        return None  # a relative fall means nothing without a least cost to count from
    costs = case.costs("validation_cost", of=case.last_cycle)
    return _early_constant(case, costs) if facts.schedule == "constant" else _early_one_cycle(case, costs)


def _early_constant(case: Case, costs: list[float]) -> Verdict | None:
    facts, last = case.facts, max(1, round(LAST_PART * len(costs)))
    if len(costs) < 2:
        return None
    before, now = min(costs[:-last]), min(costs)
    fall = 1 - now / before if before > 0 else 0.0
    numbers = f"in the last {counted(last, 'epoch')} of {len(costs)} the validation cost {moved(fall)}"
    if fall > STILL_FALLING and facts.best_epoch > len(costs) - last:
        text = f"It stopped while it was still learning: {numbers}."
        return Verdict("stopped-too-early", "warn", text, facts.resume(f"--epochs {facts.more_epochs}"))
    return Verdict("stopped-too-early", "pass", f"It was not stopped too early: {numbers}.")


def _early_one_cycle(case: Case, costs: list[float]) -> Verdict | None:
    """The end of a decaying schedule always looks like progress, so two other signs must agree: it learned fast before
    the decay took over, and it has hardly begun to memorize."""
    gap, facts = case.gap, case.facts
    if gap is None:
        return None
    known = math.isfinite(gap.ratio)
    numbers = f"{gap.on} over training cost {number(gap.ratio)}" if known else "no training cost left"
    # Few rows of a mixed table never prove that it memorizes, and its budget is the one from which longer is no better.
    early = gap.ratio <= YOUNG if case.counts_in_constants else not gap.exceeds(YOUNG)
    if len(costs) >= 4:  # in fewer there is no quarter to see, and hardly a network is done
        quarter, half = np.interp([len(costs) / 4, len(costs) / 2], range(1, len(costs) + 1), costs)
        fall = 1 - half / quarter if quarter > 0 else 0.0
        early = early and fall > EARLY_FALL
        numbers += f"; from a quarter to half of the schedule the validation cost {moved(fall)}"
    if not early:
        return Verdict("stopped-too-early", "pass", f"It was not stopped too early ({numbers}).")
    young = "it has hardly begun to memorize, so a longer run may do better"
    if gap.ratio > YOUNG:
        young = f"a longer run may do better, though {case.tested} cannot tell how much it has memorized"
    text = f"{facts.length} may be few: {young}"
    return Verdict("stopped-too-early", "warn", f"{text} ({numbers}).", facts.longer())


def dead_units(case: Case) -> Verdict | None:
    """Whether units of the code give nearly the same value for every sample."""
    code = case.facts.code
    if code is None or not code.size or len(code) < LEAST_CODES:
        return None
    if case.number("code", "kl") is not None:
        return None  # units at the prior are how a variational autoencoder leaves out what it does not need
    effects, Z = case.facts.unit_effects, code.shape[1]
    silent = dead(code, signed=case.facts.signed_code) if effects is None else without_effect(case, effects)
    numbers = _spread(code) if effects is None else _effects(effects)
    times_mean = case.times_mean
    if not len(silent) and times_mean is not None and HARDLY < times_mean < LIKE_MEAN:
        # How far a unit moves says nothing by itself, for the decoder scales it; what comes of it in the answers does.
        text = f"All {Z} units of the code vary, but nothing shows that they say anything, for the answers"
        text += f" are not clearly better than the mean {case.sample}: {_spread(code)}."
        return Verdict("dead-units", "warn", text, case.learn_better())
    if not len(silent):
        return Verdict("dead-units", "pass", f"All {Z} units of the code are in use: {numbers}.")
    level: Level = "fail" if len(silent) >= MANY * Z else "warn"
    does = _does_nothing(len(silent), case.sample if effects is None else None)
    text = f"{len(silent)} of {Z} units of the code {does} ({_units(silent)})"
    fix = case.learn_better() if level == "fail" else case.facts.train(f"--z-size {Z - len(silent)}")
    return Verdict("dead-units", level, f"{text}: {numbers}.", fix)


def _does_nothing(n: int, sample: str | None) -> str:
    """The verb for n units; `sample` where only their values were looked at."""
    if sample is not None:
        return f"hardly change{'s' if n == 1 else ''} with the {sample}"
    return "changes nothing when it is taken out" if n == 1 else "change nothing when they are taken out"


def without_effect(case: Case, effects: np.ndarray) -> np.ndarray:
    """The units of a code without which the error stays as it is: it grows by under NO_EFFECT of a fair share.

    A fair share is what varies between samples, divided by the units: so a decoder that hears no unit has none in use.
    """
    mean = case.number("baselines", "mean", "mse") or 0.0
    fair = max(float(effects.mean()), mean / len(effects))
    return np.flatnonzero(~(effects > NO_EFFECT * fair))  # so that an effect that is not a number counts as none


def _spread(code: np.ndarray) -> str:
    std = code.astype(np.float64).std(0)
    return f"standard deviations from {number(float(std.min()))} to {number(float(std.max()))}"


def _effects(effects: np.ndarray) -> str:
    low, high = number(float(max(effects.min(), 0.0))), number(float(effects.max()))
    return f"without one of them the mean squared error grows by {low} to {high}"


def saturated_units(case: Case) -> Verdict | None:
    """Whether units of a sigmoid code sit at the ends of their range, where they hardly learn any more."""
    code = case.facts.code
    if code is None or not code.size or case.facts.signed_code:
        return None
    share, at_ends = _at_ends(code), stuck(code)
    Z = len(share)
    if not len(at_ends):
        text = f"at most {share.max():.0%} of a unit's values are below 0.02 or above 0.98"
        return Verdict("saturated-units", "pass", f"No unit of the code sits at the ends of its range: {text}.")
    level: Level = "fail" if len(at_ends) >= MANY * Z else "warn"
    text = f"{len(at_ends)} of {Z} units of the code are stuck at the ends of their range ({_units(at_ends)})"
    text += f": at least {share[at_ends].min():.0%} of their values are below 0.02 or above 0.98."
    return Verdict("saturated-units", level, text, case.facts.train("--set model.bottleneck=identity"))


def dead(code: np.ndarray, *, signed: bool) -> np.ndarray:
    """The units of codes (N, Z) that are dead: a standard deviation under 1 % of the typical one.

    Typical is the root mean square over the units (the median would be zero itself once half of them are dead), and
    for a sigmoid code, which is not signed, the whole range, 1.
    """
    std = code.astype(np.float64).std(0)
    typical = float(np.sqrt(np.mean(std**2))) if signed else 1.0
    return np.flatnonzero(~(std > DEAD * typical))  # so that a deviation that is not a number counts as dead


def stuck(code: np.ndarray) -> np.ndarray:
    """The units of sigmoid codes (N, Z) of whose values nine of ten lie at the ends of the range."""
    return np.flatnonzero(_at_ends(code) >= STUCK)


def _at_ends(code: np.ndarray) -> np.ndarray:
    return ((code < ENDS[0]) | (code > ENDS[1])).mean(0)


def _units(units: np.ndarray) -> str:
    named = ", ".join(f"z{unit}" for unit in units[:5])  # five give the pattern; the pictures show all
    return named if len(units) <= 5 else f"{named}, …"

"""Checks of a training: whether the model learned, memorized, stopped too early, and uses its whole code."""

from __future__ import annotations

import math

import numpy as np

from isthmus.evaluation.verdicts.cases import CLEARLY, HARDLY, LIKE_MEAN, NEGLIGIBLE, Case, Gap, Level, Verdict, moved
from isthmus.wording import counted, number

# All costs are measured above the lowest possible cost. docs/verdicts.md shows the runs behind these limits.
FELL = 0.02  # of the cost of the mean image, or of the first epoch: costs vary by as much from epoch to epoch
A_LITTLE = 1.03  # ratio of test to training cost: the notebook's own run has 1.04, "a little" according to its author
A_TENTH = 1 - HARDLY  # of the variance, if costs are shares of it: less is negligible, as for `beats-mean`
BADLY = 4.0  # ratio of test to training cost: three quarters of the test cost come from memorization
LAST_PART = 0.2  # of the epochs, at a constant rate: fewer epochs show chance, more show the beginning
STILL_FALLING = 0.05  # in that part: twice the 2 to 3 % by which costs vary from epoch to epoch
EARLY_FALL = 0.22  # from a quarter to half of a one-cycle schedule: above it, twice the steps gained 13 to 28 %
YOUNG = 1.15  # ratio of test to training cost: above it, twice the steps gained less than 10 %
ENDS = (0.02, 0.98)  # beyond them, the slope z (1 - z) of a sigmoid is under 0.0196, 8 % of its maximum
LEAST_CODES = 10  # test samples: the standard deviation of fewer codes means nothing
DEAD = 0.01  # of the units' typical standard deviation: the decoder would need weights a hundred times larger
NO_EFFECT = 1e-4  # of a unit's fair share of the variance: DEAD squared, because errors are squares
STUCK = 0.9  # share of a unit's codes beyond ENDS, so that it learns at under 8 % of full speed
MANY = 0.5  # of the units: half of the code is unused
ONLY = "The only unit of the code"  # for a code of one number


def cost_never_fell(case: Case) -> Verdict | None:
    """Whether the validation cost fell below the cost of the mean image on the same samples; if that is unknown,
    whether the training cost fell below its first value.

    The cost of a network that always outputs the mean also falls from its random start, but it has learned nothing.
    """
    mean_cost, floor, facts = case.number("mean_cost"), case.floors[0], case.facts
    name = "training" if mean_cost is None else "validation"
    costs = case.costs("train_cost" if mean_cost is None else "validation_cost")
    if not case.history:
        return None
    if not costs:
        return Verdict("cost-never-fell", "fail", f"The {name} cost was never a finite number.", case.learn_better())
    if mean_cost is None and (len(costs) < 2 or _beats_mean_clearly(case)):
        return None  # the cost may have fallen within the first epoch
    start = costs[0] if mean_cost is None else mean_cost - floor
    mark = f"its first value ({number(start + floor)})"
    mark = mark if mean_cost is None else f"that of the mean {case.sample} ({number(mean_cost)})"
    lowest, opening = number(min(costs) + floor), f"In {counted(len(case.history), 'epoch')}, the {name} cost"
    if min(costs) > start - FELL * (start if facts.has_floor else 1.0):  # in nats, 0.02 is an error 2 % smaller
        text = f"{opening} never fell clearly below {mark}: its lowest value was {lowest}."
        return Verdict("cost-never-fell", "fail", text, case.learn_better())
    return Verdict("cost-never-fell", "pass", f"{opening} fell to {lowest}, below {mark}.")


def _beats_mean_clearly(case: Case) -> bool:
    mse, mean = case.number("test", "mse"), case.number("baselines", "mean", "mse")
    return mse is not None and mean is not None and mse < HARDLY * mean


def overfitting(case: Case) -> Verdict | None:
    """Whether the finished model has a higher cost on test than on training samples, both above the lowest possible."""
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
        text = "The model does not overfit" if gap.n > 1 else f"The model does not seem to overfit, but {few}"
        return Verdict("overfitting", "pass", f"{text}: {numbers}.")
    if negligible:
        text = f"The model overfits a little, but explains over {1 - NEGLIGIBLE:.0%} of the variance: {numbers}."
        return Verdict("overfitting", "pass", text)
    small = case.counts_in_constants and gap.test - gap.train < A_TENTH
    if not gap.exceeds(1):
        if gap.ratio <= CLEARLY or small:
            return Verdict("overfitting", "pass", f"No clear overfitting; the difference may be chance: {numbers}.")
        text = f"The model may overfit, but {few}: {numbers}."
        return Verdict("overfitting", "warn", text, case.memorize_less())
    if gap.ratio <= CLEARLY:
        return Verdict("overfitting", "pass", f"The model overfits a little, as most networks do: {numbers}.")
    if small:
        lost = f"the difference is under {A_TENTH:.0%} of the cost of a constant"
        return Verdict("overfitting", "pass", f"The model overfits a little: {numbers}; {lost}.")
    if not gap.exceeds(CLEARLY):
        text = f"The model overfits, but {case.tested} cannot show how much: {numbers}."
        return Verdict("overfitting", "warn", text, case.memorize_less())
    level: Level = "fail" if gap.exceeds(BADLY) else "warn"
    text = f"The model clearly overfits (it has memorized part of its training {case.sample}s): {numbers}."
    return Verdict("overfitting", level, text, case.memorize_less())


def _costs_sentence(case: Case, gap: Gap) -> str:
    """`the cost above the lowest possible is 0.108 on test and 0.103 on training images, a ratio of 1.04`."""
    what = "the cost" + " above the lowest possible" * (max(case.floors) > 0)
    what = what if case.facts.has_floor else "the mean squared error"
    numbers = f"{what} is {number(gap.test)} on {gap.on} and {number(gap.train)} on training {case.sample}s"
    return numbers + (f", a ratio of {number(gap.ratio)}" if math.isfinite(gap.ratio) else "")


def stopped_too_early(case: Case) -> Verdict | None:
    """Whether longer training would have helped."""
    facts = case.facts
    if facts.stopped_by == "interrupted":
        text = f"Training was interrupted after epoch {facts.epochs}."
        return Verdict("stopped-too-early", "warn", text, facts.resume())
    if facts.stopped_by == "request":
        text = f"Training was stopped by hand after {counted(facts.epochs, 'epoch')}, before its budget was used up."
        return Verdict("stopped-too-early", "warn", text, facts.resume(f"--epochs {facts.more_epochs}"))
    if facts.stopped_by == "patience":
        text = "Training stopped when the validation cost no longer improved; the best epoch was"
        text += f" {facts.best_epoch} of {facts.epochs}."
        return Verdict("stopped-too-early", "pass", text)
    if not facts.has_floor:
        return None  # without a lowest possible cost, a relative fall means nothing
    costs = case.costs("validation_cost", of=case.last_cycle)
    return _early_constant(case, costs) if facts.schedule == "constant" else _early_one_cycle(case, costs)


def _early_constant(case: Case, costs: list[float]) -> Verdict | None:
    facts, last = case.facts, max(1, round(LAST_PART * len(costs)))
    if len(costs) < 2:
        return None
    before, now = min(costs[:-last]), min(costs)
    fall = 1 - now / before if before > 0 else 0.0
    numbers = f"in the last {last} of {counted(len(costs), 'epoch')}, the validation cost {moved(fall)}"
    if fall > STILL_FALLING and facts.best_epoch > len(costs) - last:
        text = f"Training stopped while the model was still improving: {numbers}."
        return Verdict("stopped-too-early", "warn", text, facts.resume(f"--epochs {facts.more_epochs}"))
    return Verdict("stopped-too-early", "pass", f"Training did not stop too early: {numbers}.")


def _early_one_cycle(case: Case, costs: list[float]) -> Verdict | None:
    """With a decaying rate, the last epochs always improve, so two other signs must agree: the model learned fast
    before the decay took over, and it has hardly begun to memorize."""
    gap, facts = case.gap, case.facts
    if gap is None:
        return None
    known = math.isfinite(gap.ratio)
    numbers = f"ratio of {gap.on} to training cost {number(gap.ratio)}" if known else "the training cost is zero"
    # A few rows of several kinds never prove memorization, and longer training beyond their usual budget does not help.
    early = gap.ratio <= YOUNG if case.counts_in_constants else not gap.exceeds(YOUNG)
    if len(costs) >= 4:  # with fewer epochs there is no first quarter, and hardly any network is finished
        quarter, half = np.interp([len(costs) / 4, len(costs) / 2], range(1, len(costs) + 1), costs)
        fall = 1 - half / quarter if quarter > 0 else 0.0
        early = early and fall > EARLY_FALL
        numbers += f"; from a quarter to half of the schedule, the validation cost {moved(fall)}"
    if not early:
        return Verdict("stopped-too-early", "pass", f"Training did not stop too early ({numbers}).")
    young = "the model has hardly begun to memorize, so a longer run may be better"
    if gap.ratio > YOUNG:
        young = f"a longer run may be better, although {case.tested} cannot show how much the model has memorized"
    text = f"{facts.length} may be too few: {young}"
    return Verdict("stopped-too-early", "warn", f"{text} ({numbers}).", facts.longer())


def dead_units(case: Case) -> Verdict | None:
    """Whether some units of the code have no effect on the output."""
    code = case.facts.code
    if code is None or not code.size or len(code) < LEAST_CODES:
        return None
    if case.number("code", "kl") is not None:
        return None  # a variational autoencoder leaves the units that it does not need at the prior
    effects, Z = case.facts.unit_effects, code.shape[1]
    silent = dead(code, signed=case.facts.signed_code) if effects is None else without_effect(case, effects)
    numbers = _spread(code) if effects is None else _effects(effects)
    times_mean = case.times_mean
    if not len(silent) and times_mean is not None and HARDLY < times_mean < LIKE_MEAN:
        # How much a unit varies shows nothing by itself, because the decoder scales it; its effect on the output does.
        vary = f"All {Z} units of the code vary, but nothing shows that they carry information"
        if Z == 1:
            vary = f"{ONLY} varies, but nothing shows that it carries information"
        text = f"{vary}: the output is not clearly better than the mean {case.sample} ({_spread(code)})."
        return Verdict("dead-units", "warn", text, case.learn_better())
    if not len(silent):
        used = f"{ONLY} is used" if Z == 1 else f"All {Z} units of the code are used"
        return Verdict("dead-units", "pass", f"{used}: {numbers}.")
    level: Level = "fail" if len(silent) >= MANY * Z else "warn"
    does = _does_nothing(len(silent), case.sample if effects is None else None)
    some = ONLY if Z == 1 else f"{len(silent)} of {Z} units of the code"
    text = f"{some} {does} ({_units(silent)})"
    fix = case.learn_better() if level == "fail" else case.facts.train(f"--z-size {Z - len(silent)}")
    return Verdict("dead-units", level, f"{text}: {numbers}.", fix)


def _does_nothing(n: int, sample: str | None) -> str:
    """The verb for n units; `sample` if only their values are known."""
    if sample is not None:
        return f"hardly var{'ies' if n == 1 else 'y'} between {sample}s"
    return f"{'has' if n == 1 else 'have'} no effect on the output"


def without_effect(case: Case, effects: np.ndarray) -> np.ndarray:
    """The units that the error hardly depends on: without one, it grows by under NO_EFFECT of a fair share.

    A fair share is the variance between samples divided by the number of units, so if the decoder ignores the code,
    all units are without effect.
    """
    mean = case.number("baselines", "mean", "mse") or 0.0
    fair = max(float(effects.mean()), mean / len(effects))
    return np.flatnonzero(~(effects > NO_EFFECT * fair))  # negated, so that NaN counts as no effect


def _spread(code: np.ndarray) -> str:
    std = code.astype(np.float64).std(0)
    if len(std) == 1:
        return f"standard deviation {number(float(std[0]))}"
    return f"standard deviations from {number(float(std.min()))} to {number(float(std.max()))}"


def _effects(effects: np.ndarray) -> str:
    low, high = number(float(max(effects.min(), 0.0))), number(float(effects.max()))
    if len(effects) == 1:
        return f"without it, the mean squared error grows by {low}"
    return f"without one of them, the mean squared error grows by {low} to {high}"


def saturated_units(case: Case) -> Verdict | None:
    """Whether units of a sigmoid code are at the ends of their range, where they hardly learn any more."""
    code = case.facts.code
    if code is None or not code.size or case.facts.signed_code:
        return None
    share, at_ends = _at_ends(code), stuck(code)
    Z = len(share)
    if not len(at_ends):
        text = f"at most {share.max():.0%} of a unit's values are below 0.02 or above 0.98"
        return Verdict("saturated-units", "pass", f"No unit of the code is saturated: {text}.")
    level: Level = "fail" if len(at_ends) >= MANY * Z else "warn"
    are, their = ("is", "its") if len(at_ends) == 1 else ("are", "their")
    text = f"{len(at_ends)} of {Z} units of the code {are} saturated ({_units(at_ends)}): at least"
    text += f" {share[at_ends].min():.0%} of {their} values are below 0.02 or above 0.98."
    return Verdict("saturated-units", level, text, case.facts.train("--set model.bottleneck=identity"))


def dead(code: np.ndarray, *, signed: bool) -> np.ndarray:
    """The dead units of codes (N, Z): those with a standard deviation under 1 % of the typical one.

    The typical one is the root mean square over the units (the median would be zero once half of them are dead). For a
    sigmoid code, which is not signed, it is the whole range, 1.
    """
    std = code.astype(np.float64).std(0)
    typical = float(np.sqrt(np.mean(std**2))) if signed else 1.0
    return np.flatnonzero(~(std > DEAD * typical))  # negated, so that NaN counts as dead


def stuck(code: np.ndarray) -> np.ndarray:
    """The units of sigmoid codes (N, Z) that have nine of ten values at the ends of their range."""
    return np.flatnonzero(_at_ends(code) >= STUCK)


def _at_ends(code: np.ndarray) -> np.ndarray:
    return ((code < ENDS[0]) | (code > ENDS[1])).mean(0)


def _units(units: np.ndarray) -> str:
    named = ", ".join(f"z{unit}" for unit in units[:5])  # five show the pattern; the pictures show all
    return named if len(units) <= 5 else f"{named}, …"

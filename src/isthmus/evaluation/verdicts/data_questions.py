"""Questions about the data, told only where something is wrong with it; what training then shows follows from that."""

from __future__ import annotations

from isthmus.data.ranges import NARROW, TWICE
from isthmus.evaluation.verdicts.cases import FEW_SAMPLES, Case, Level, Verdict
from isthmus.evaluation.verdicts.symptoms import BADLY
from isthmus.wording import counted, listed, number

RARE = 0.1  # of an even share of the training samples: what it costs to get such a class wrong hardly shows in a mean
NAMED = 5  # columns or classes: so many show the pattern


def value_range(case: Case) -> Verdict | None:
    """Told only where training images use under a tenth of [0, 1], all of them or all but single ones."""
    spans = case.facts.spans
    if spans is None or spans.high <= spans.low or spans.usual_high - spans.usual_low >= NARROW:
        return None
    ends = f"from {number(spans.usual_low)} to {number(spans.usual_high)}"
    if spans.high - spans.low >= NARROW:
        text = f"Nearly all training images lie {ends}, a small part of [0, 1]; single ones reach from"
        text += f" {number(spans.low)} to {number(spans.high)}, so check those before the range is spread."
        return Verdict("value-range", "warn", text, case.facts.check())
    text = f"The training images use a small part of [0, 1], {ends}, where the cost hardly separates right from wrong."
    if spans.high <= TWICE:
        text += " They look as if they had been divided by 255 twice."
    return Verdict("value-range", "warn", text, case.facts.train("--scale minmax"))


def extreme_values(case: Case) -> Verdict | None:
    """Told only where one value makes the scale of a column, so that all others are nearly the same to the network."""
    found = case.facts.swallowed
    if not found:
        return None
    values = [f'"{c.column}" (row {c.row}: {number(c.value)}, {c.share:.1%})' for c in found[:NAMED]]
    more = f" and {counted(len(found) - NAMED, 'more column')}" if len(found) > NAMED else ""
    text = f"One value makes nearly all of the spread of column {', '.join(values)}{more}, so that its other values are"
    text += " nearly alike to the network. Check those rows; mend them, or leave them out."
    return Verdict("extreme-values", "warn", text, case.facts.check())


def classes(case: Case) -> Verdict | None:
    """Told only where a class has no training samples though others are held out, or hardly any beside the others."""
    n_of = case.facts.n_of_class
    n_all = sum(n for n, _ in n_of.values())
    n_unknown_class = n_of.get("", (0, 0))[1]
    missing = [name for name, (n, held_out) in n_of.items() if name and n == 0 and held_out]
    even = n_all / max(1, sum(n > 0 for n, _ in n_of.values()))
    rare = [name for name, (n, _) in n_of.items() if 0 < n < min(FEW_SAMPLES, RARE * even)]
    if not missing and not rare and not n_unknown_class:
        return None
    lacks = f"no training {case.sample} is of class {listed(missing, NAMED, quote='')}, of which others are held out"
    parts = [lacks] if missing else []
    if n_unknown_class:
        parts += [
            f"{counted(n_unknown_class, f'held-out {case.sample}')} of a class that no training {case.sample} has"
        ]
    sizes = [f"{name} ({n_of[name][0]:,} of {n_all:,})" for name in rare]
    parts += [f"training {case.sample}s are few of class {listed(sizes, NAMED, quote='')}"] if rare else []
    text = "; ".join(parts)
    text = f"{text[0].upper()}{text[1:]}: what it makes of those is not learned from them."
    return Verdict("classes", "fail" if missing or n_unknown_class else "warn", text, case.facts.check())


def test_unlike(case: Case) -> Verdict | None:
    """Told only where test samples cost far more than validation samples, which were not trained on either."""
    gap, facts = case.test_over_validation, case.facts
    if gap is None or not case.test_is_unlike:
        return None
    text = f"The test {case.sample}s are unlike the training data: their mean squared error is {number(gap.test)},"
    text += f" that of validation {case.sample}s {number(gap.train)}, and neither was trained on."
    text += f" They differ {facts.unlike}." if facts.unlike and case.table else ""
    text += f" {facts.unlike[0].upper()}{facts.unlike[1:]}." if facts.unlike and not case.table else ""
    level: Level = "fail" if gap.exceeds(BADLY) else "warn"
    return Verdict("test-unlike-training", level, text, facts.check_test())


def few_test_samples(case: Case) -> Verdict | None:
    """Told only where a few test samples make the test error."""
    gap, facts = case.test_over_validation, case.facts
    if gap is None or not case.rests_on_few or facts.n_half is None:
        return None
    n = case.number("data", "n_test")
    text = f"{counted(facts.n_half, f'test {case.sample}')} of {n:,.0f} make half of the test error: the mean squared"
    text += f" error is {number(gap.test)} with all and {number(facts.mse_of_others)} without those, that of validation"
    text += f" {case.sample}s {number(gap.train)}. They may be what `isthmus score` looks for."
    return Verdict("few-test-samples", "warn", text, facts.check_test())


def one_test_sample(case: Case) -> Verdict | None:
    """Told only where one test sample makes the test error."""
    facts, mse = case.facts, case.number("test", "mse")
    if not case.rests_on_one:
        return None
    text = f"One test {case.sample}, {facts.worst}, makes {facts.worst_share:.0%} of the test error: the mean squared"
    text += f" error is {number(mse)} with it and {number(facts.mse_without)} without it, the median"
    text += f" {number(facts.test_median)}. Check that {case.sample}."
    return Verdict("one-test-sample", "warn", text, facts.check_test())

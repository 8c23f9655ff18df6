"""Checks of the data, given only if something is wrong with it; problems of the training may follow from that."""

from __future__ import annotations

from isthmus.data.ranges import NARROW, TWICE
from isthmus.evaluation.verdicts.cases import FEW_SAMPLES, Case, Level, Verdict
from isthmus.evaluation.verdicts.symptoms import BADLY
from isthmus.wording import FROM_ZERO, counted, listed, number

RARE = 0.1  # of an even share of the training samples: errors on such a class hardly change a mean
NAMED = 5  # columns or classes: enough to show the pattern


def value_range(case: Case) -> Verdict | None:
    """Given only if the training images, or all but 1 % of them, use under a tenth of [0, 1]."""
    spans = case.facts.spans
    if spans is None or spans.high <= spans.low or spans.usual_high - spans.usual_low >= NARROW:
        return None
    ends = f"from {number(spans.usual_low)} to {number(spans.usual_high)}"
    if spans.high - spans.low >= NARROW:
        text = f"Nearly all training images use only a small part of [0, 1], {ends}. A few have values from"
        text += f" {number(spans.low)} to {number(spans.high)}: check those before you stretch the range."
        return Verdict("value-range", "warn", text, case.facts.check())
    text = f"The training images use only a small part of [0, 1], {ends}, so good and bad outputs cost nearly the same."
    if spans.high <= TWICE:
        text += " They look as if they had been divided by 255 twice."
    return Verdict("value-range", "warn", text, case.facts.train("--scale minmax"))


def extreme_values(case: Case) -> Verdict | None:
    """Given only if one value determines the scale of a column, so that all others look nearly the same."""
    found = case.facts.swallowed
    if not found:
        return None
    values = [f'"{c.column}" (row {c.row}: {number(c.value)}, {c.share:.1%})' for c in found[:NAMED]]
    more = f" and {counted(len(found) - NAMED, 'more column')}" if len(found) > NAMED else ""
    columns, rows = ("column", "that row") if len(found) == 1 else ("each of the columns", "those rows")
    text = f"A single value accounts for most of the variance of {columns} {', '.join(values)}{more}, so the other"
    text += f" values look nearly the same to the network. Correct or drop {rows}."
    text += f" {FROM_ZERO.capitalize()}." if found[0].row.isdecimal() else ""
    return Verdict("extreme-values", "warn", text, case.facts.check())


def classes(case: Case) -> Verdict | None:
    """Given only if a class has no training samples but held-out ones, or hardly any compared with other classes."""
    n_of = case.facts.n_of_class
    n_all = sum(n for n, _ in n_of.values())
    n_unknown_class = n_of.get("", (0, 0))[1]
    missing = [name for name, (n, held_out) in n_of.items() if name and n == 0 and held_out]
    even = n_all / max(1, sum(n > 0 for n, _ in n_of.values()))
    rare = [name for name, (n, _) in n_of.items() if 0 < n < min(FEW_SAMPLES, RARE * even)]
    if not missing and not rare and not n_unknown_class:
        return None
    parts = [f"No training {case.sample} is of class {listed(missing, NAMED, quote='')}, but held-out ones are."]
    parts = parts if missing else []
    if n_unknown_class:
        are = f"held-out {case.sample} is" if n_unknown_class == 1 else f"held-out {case.sample}s are"
        parts += [f"{n_unknown_class:,} {are} of a class that no training {case.sample} has."]
    sizes = [f"{name} ({n_of[name][0]:,} of {n_all:,})" for name in rare]
    parts += [f"There are few training {case.sample}s of class {listed(sizes, NAMED, quote='')}."] if rare else []
    more = f"add training {case.sample}s of them, or leave such classes out"
    text = f"{' '.join(parts)} Do not rely on results for such classes: {more}."
    if missing or n_unknown_class:
        return Verdict("classes", "fail", text, case.facts.check())
    return Verdict("classes", "warn", text)  # no command helps, and `isthmus check` would only count them again


def test_unlike(case: Case) -> Verdict | None:
    """Given only if the error on test samples is far above that on validation samples, which were not trained on."""
    gap, facts = case.test_over_validation, case.facts
    if gap is None or not case.test_is_unlike:
        return None
    text = f"The test {case.sample}s are unlike the training data: their mean squared error is {number(gap.test)},"
    text += f" that of validation {case.sample}s is {number(gap.train)}, and the model was trained on neither."
    text += f" {facts.unlike[0].upper()}{facts.unlike[1:]}." if facts.unlike else ""
    level: Level = "fail" if gap.exceeds(BADLY) else "warn"
    return Verdict("test-unlike-training", level, text, facts.check_test())


def few_test_samples(case: Case) -> Verdict | None:
    """Given only if a few test samples account for most of the difference between test and validation error."""
    gap, facts = case.test_over_validation, case.facts
    if gap is None or not case.rests_on_few or facts.n_half is None:
        return None
    n, one = case.number("data", "n_test"), facts.n_half == 1
    accounts, them = ("accounts", "it") if one else ("account", "them")
    text = f"{facts.n_half:,} of {n:,.0f} test {case.sample}s {accounts} for half of the test error: the mean squared"
    text += f" error is {number(gap.test)} with {them}, {number(facts.mse_of_others)} without {them}, and"
    text += f" {number(gap.train)} on validation {case.sample}s. `isthmus score` finds outliers."
    return Verdict("few-test-samples", "warn", text, facts.check_test())


def one_test_sample(case: Case) -> Verdict | None:
    """Given only if a single test sample accounts for most of the test error."""
    facts, mse = case.facts, case.number("test", "mse")
    if not case.rests_on_one:
        return None
    text = f"One test {case.sample}, {facts.worst}, accounts for {facts.worst_share:.0%} of the test error: the mean"
    text += f" squared error is {number(mse)} with it and {number(facts.mse_without)} without it, and the median is"
    text += f" {number(facts.test_median)}. Check that {case.sample}."
    return Verdict("one-test-sample", "warn", text, facts.check_test())

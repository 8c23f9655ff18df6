"""One cause, one fix: which verdict is the cause of the others, and how long its suggested command takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from isthmus.evaluation.verdicts.cases import Case, Verdict
from isthmus.evaluation.verdicts.verdict_inputs import USUAL_STEPS
from isthmus.wording import duration

# In the order in which problems should be fixed: earlier ones explain later ones.
CAUSES = (
    # the data
    "missing-class",
    "nothing-to-learn",
    "targets-out-of-range",
    "value-range",
    "train-test-overlap",
    "extreme-values",
    "one-test-sample",
    "few-test-samples",
    "test-unlike-training",
    "too-little-data",
    # a code too small or too large
    "code-size",
    "wide-code",
    # the learning rate
    "learning-rate",
    # the penalties
    "penalty-weight",
    "fixed-variance",
    "exploded-kl",
    "posterior-collapse",
    "log-variance-held",
    "dead-codes",
    # whether the model learned at all, and whether it memorized; both come before longer training
    "saturated-units",
    "cost-never-fell",
    "beats-mean",
    "explains-little",
    "overfitting",
    # the budget
    "beats-pca",
    "denoiser-beats-filter",
    "structure-removed",
    "dead-units",
    "stopped-too-early",
)


def with_one_cure(found: Sequence[Verdict], case: Case) -> list[Verdict]:
    """The verdicts, with a command only for the first cause, and how long it takes. The others refer to the cause.

    A verdict that is not in CAUSES (a rare class) is neither cause nor effect, and is not changed.
    """
    wrong = [v for v in found if v.level != "pass" and _place(v, case) is not None]
    if not wrong:
        return list(found)
    cause = min(wrong, key=lambda v: _place(v, case) or 0)
    return [_costed(v, case) if v is cause else _following(v, cause) if v in wrong else v for v in found]


def _place(verdict: Verdict, case: Case) -> int | None:
    id = verdict.id
    if id == "beats-pca" and case.pca_loses_nothing:
        id = "wide-code"
    if id == "classes" and verdict.level == "fail":
        id = "missing-class"
    return CAUSES.index(id) if id in CAUSES else None


def _following(verdict: Verdict, cause: Verdict) -> Verdict:
    return replace(verdict, text=f"{verdict.text} See {cause.id} first.", try_next=None)


def _costed(verdict: Verdict, case: Case) -> Verdict:
    seconds = _seconds(verdict.try_next or "", case)
    if seconds is None:
        return verdict
    return replace(verdict, text=f"{verdict.text} The suggested command takes {duration(seconds)}.")


def _seconds(command: str, case: Case) -> float | None:
    """How long a training command takes at the pace of this run; None if that is unknown, as with more data."""
    seconds, epochs, facts = case.number("seconds"), case.number("epochs") or case.facts.epochs, case.facts
    again, further = command.startswith("isthmus train --config"), command.startswith("isthmus resume")
    if not seconds or not epochs:
        return None
    whole = facts.whole_epochs or epochs
    named = re.search(r"--epochs (\d+)", command)
    if further and named:
        return seconds / whole * (int(named[1]) - epochs)
    if again:
        return seconds / whole * (int(named[1]) if named else whole)
    if "--recipe modern" in command and facts.recipe == "seed" and facts.steps:
        return seconds / facts.steps * USUAL_STEPS
    return None

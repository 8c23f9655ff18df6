"""Every verdict has a few words for the headline, none of them an id."""

from __future__ import annotations

from isthmus.evaluation.verdicts.brief_names import BRIEF, in_brief, named_text
from isthmus.report.sections.headline import TITLES


def test_every_verdict_has_words_that_are_no_id() -> None:
    assert BRIEF.keys() == TITLES.keys()
    assert not BRIEF.keys() & {*BRIEF.values()} - {"overfitting"}
    assert in_brief(["stopped-too-early", "dead-units"]) == "trained briefly, unused units"


def test_a_verdict_that_others_refer_to_is_printed_with_its_name() -> None:
    assert named_text("overfitting", "warn", "The model overfits.") == "overfitting: The model overfits."
    assert named_text("overfitting", "pass", "It does not overfit.") == "It does not overfit."

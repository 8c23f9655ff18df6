"""Options that are offered for images of another shape bring them to it; where none do, none are offered."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from isthmus.config import DataConfig
from isthmus.data.images.reading_fix import fix_for_both, fix_for_model
from isthmus.data.images.transforms import conform
from isthmus.data.samples import Samples

RNG = np.random.default_rng(0)


def shape_with(fix: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that images of `shape` have, read with the options that a fix names first."""
    words, settings = shlex.split(fix.partition(" if ")[0].partition(";")[0]), {}
    for i, word in enumerate(words):
        if word == "--gray":
            settings["gray"] = True
        elif word.startswith("--"):
            settings[word.strip("-")] = words[i + 1]
    x = RNG.integers(0, 256, (2, *shape), dtype=np.uint8)
    return conform(Samples(x, "x"), DataConfig(**settings)).shape  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((3, 6, 6), (1, 6, 6)),
        ((1, 8, 8), (1, 6, 6)),
        ((3, 8, 9), (1, 6, 6)),
        ((4, 6, 6), (3, 6, 6)),
        ((4, 9, 6), (1, 6, 6)),
    ],
)
def test_fault_137_what_is_offered_gives_the_shape_wanted(given: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    fix = fix_for_model(given, wanted)
    assert fix.startswith("pass --")
    assert shape_with(fix, given) == wanted
    assert ("if the fourth channel is transparency" in fix) == (given[0] == 4)


@pytest.mark.parametrize(("given", "wanted"), [((12, 6, 6), (3, 6, 6)), ((2, 8, 8), (1, 6, 6)), ((3, 6, 6), (4, 6, 6))])
def test_fault_137_no_option_is_offered_that_does_not_help(given: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    assert fix_for_model(given, wanted).startswith(f"pass images with {wanted[0]} channel")


def test_fault_137_two_sets_are_made_alike_by_the_options_offered() -> None:
    for first, second in (((3, 6, 6), (1, 6, 6)), ((1, 8, 8), (3, 6, 6)), ((4, 6, 6), (3, 6, 6))):
        fix = fix_for_both(first, second)
        assert fix is not None
        assert shape_with(fix, first) == shape_with(fix, second)
    assert fix_for_both((12, 6, 6), (3, 6, 6)) is None

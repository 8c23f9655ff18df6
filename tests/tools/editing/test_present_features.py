"""Samples that have what an edit leads to are found by their labels, and come out as they came."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isthmus.api import Run
from isthmus.tools.editing.edits import edit, edit_of
from isthmus.tools.editing.present_features import have_already
from isthmus.tools.inference.picking import pick


def test_samples_of_the_class_are_left_unchanged_and_all_others_are_edited(digit_run: Run, tmp_path: Path) -> None:
    given = pick(digit_run, "mnist-2k:1390-1439")
    assert given.labels is not None
    sevens = given.labels == given.classes.index("7")
    made = edit(digit_run, "mnist-2k:1390-1439", tmp_path / "out.npy", edit_of(digit_run, ["7"]))
    out = np.load(tmp_path / "out.npy").reshape(given.x.shape)
    same = (out == given.x).reshape(50, -1).all(1)
    np.testing.assert_array_equal(same, sevens)
    assert 0 < sevens.sum() < 50
    assert f"{sevens.sum()} of 50 samples already have the feature" in " ".join(made.said)


def test_who_has_it_is_told_by_class_and_what_was_taken_away(digit_run: Run) -> None:
    test = digit_run.prepared.splits.test
    labels, classes = test.labels, test.classes
    assert labels is not None
    for add, remove, wanted in (
        (["7"], [], labels == classes.index("7")),
        ([], ["7"], labels != classes.index("7")),
        (["7"], ["1"], labels == classes.index("7")),
        (["slant"], [], np.zeros(len(labels), bool)),
    ):
        found = have_already(test, edit_of(digit_run, add, remove).parts, {})
        np.testing.assert_array_equal(found, wanted)

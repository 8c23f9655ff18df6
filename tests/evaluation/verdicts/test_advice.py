"""One cause and one cure among the verdicts, and those that are told only where something is wrong."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import numpy as np

from healthy import FALLING, HEALTHY, assert_found, history, ids, metrics, verdict
from isthmus.evaluation.verdicts.verdicts import headline, judge_all

# Validation costs above the floor under a one-cycle schedule of 430 steps on MNIST, every fifth of 20 parts.
STEEP = [0.0693, 0.0469, 0.0377, 0.0330, 0.0295]


def test_never_more_epochs_for_a_run_whose_best_epoch_was_long_ago() -> None:
    worse = metrics(test__mse=0.0208)
    for by_heart, cure in (({}, "--set training.augment=shift:2"), ({"test_cost": 0.0800}, "--lr 0.001")):
        found = judge_all(
            worse, FALLING, replace(HEALTHY, epochs=1000, best_epoch=235, steps=3000, lr=3e-3, **by_heart)
        )
        cures = [v.try_next for v in found if v.try_next]
        assert cures == [f"isthmus train --config runs/a/config.toml {cure}"]


def test_a_cure_says_what_it_costs_at_the_pace_of_the_run() -> None:
    # 600 seconds for 20 epochs: 20 more take 10 minutes, the same run once more takes 10 as well.
    slow = metrics(test__mse=0.0208, seconds=600.0, epochs=20)
    assert "The suggested command takes about 10 minutes." in verdict("beats-pca", of=slow).text
    assert verdict("beats-pca", of=slow).try_next == "isthmus resume runs/a --epochs 40"
    again = verdict("overfitting", of=metrics(seconds=600.0, epochs=20), train_cost=0.060)
    assert "The suggested command takes about 10 minutes." in again.text
    quick = verdict("overfitting", of=metrics(seconds=9.0, epochs=20), train_cost=0.060)
    assert "takes under a minute" in quick.text


def test_fault_109_an_exploded_divergence_does_not_pass() -> None:
    of = metrics(code={"kl": 7.7e13, "active_units": 8})
    found = verdict("exploded-kl", of=of, weights={"kl": (1.0, 1.0)}, lr=0.05)
    assert_found(found, "fail", "7.7e+13 nats of KL are 9.62e+12 per unit")
    assert str(found.try_next).endswith("--lr 0.006")
    assert "posterior-collapse" not in ids(of)
    assert "exploded-kl" not in ids(metrics(code={"kl": 24.0, "active_units": 8}))


def test_fault_108_little_explained_and_nothing_compressed_are_not_called_good() -> None:
    one = metrics(test__mse=0.0552, z_size=1)  # 1 - 0.0552 / 0.0673 is 18 %
    one["baselines"]["pca"] = {"mse": 0.061, "n_components": 1}
    found = judge_all(one, FALLING, HEALTHY)
    small = next(v for v in found if v.id == "code-size")
    assert_found(small, "fail", "A code of 1 number", "the model explains 18% of", "PCA of the same size 9%")
    assert str(small.try_next).endswith("--z-size 32")
    assert headline(found, one).startswith("Not good yet (the code holds too little)")
    exact = metrics(data__shape=[20], test={"mse": 0.001})
    exact["baselines"] = {"mean": {"mse": 1.0}, "pca": {"mse": 1e-14, "n_components": 8}}
    told = judge_all(exact, FALLING, replace(HEALTHY, likelihood="gaussian"))
    assert_found(next(v for v in told if v.id == "beats-pca"), "warn", "PCA with 8 components loses nothing")
    assert headline(told, exact).startswith("Usable, but no better than PCA")
    assert "PCA" not in headline(told, exact).partition(":")[2]


def test_fault_94_a_test_set_that_costs_far_more_than_validation_is_told_as_such() -> None:
    odd: dict[str, Any] = {"validation_mse": 0.0147, "validation_median": 0.014, "test_median": 0.2, "test_cost": 2.0}
    odd |= {"validation_mse_sem": 0.001, "test_mse_sem": 0.002, "validation_varies": 0.067}
    odd |= {"validation_cost": 0.0805, "validation_floor": 0.058, "validation_cost_sem": 0.0003}
    found = verdict("test-unlike-training", of=metrics(test__mse=0.21), **odd)
    assert_found(found, "fail", "0.21, that of validation images is 0.0147")
    assert verdict("overfitting", of=metrics(test__mse=0.21), **odd).level == "pass"  # 0.0225 to 0.022 on validation
    few = odd | {"test_median": 0.015, "n_half": 31, "mse_of_others": 0.11}
    assert "test-unlike-training" not in ids(metrics(test__mse=0.21), **few)
    said = "31 of 1,000 test images account for half of the test error: the mean squared error is 0.21 with them, 0.11"
    assert_found(verdict("few-test-samples", of=metrics(test__mse=0.21), **few), "warn", said)
    assert verdict("overfitting", of=metrics(test__mse=0.21), **few).level == "pass"
    assert "few-test-samples" not in ids(metrics(test__mse=0.21), **odd)
    assert "few-test-samples" not in ids(metrics(test__mse=0.02), **few | {"validation_mse": 0.018})  # alike
    one = odd | {"worst": "17", "worst_share": 0.97, "mse_without": 0.0148}
    found = verdict("one-test-sample", of=metrics(test__mse=0.21), **one)
    assert_found(found, "warn", "One test image, 17, accounts for 97%")


def test_a_run_that_was_extended_is_judged_by_its_last_cycle() -> None:
    first = history([0.058 + cost for cost in np.interp(np.arange(1, 21), [4, 8, 12, 16, 20], STEEP)])
    rows = [row | {"lr": 0.006 * (20 - row["epoch"]) / 20} for row in first]
    flat = [{"epoch": 20 + i, "train_cost": 0.087, "validation_cost": 0.087, "lr": 0.003 - i * 1e-4} for i in range(20)]
    assert verdict("stopped-too-early", rows=rows, train_cost=0.085).level == "warn"
    assert verdict("stopped-too-early", rows=rows + flat, epochs=40, train_cost=0.085).level == "pass"


def test_fault_164_more_epochs_are_counted_in_whole_passes() -> None:
    """100 steps of 1,281 in a pass over patches: 8,000 are 6 passes, of which what the steps took says the time."""
    begun = {"epochs": 1, "steps": 100, "steps_of_pass": 1281, "train_cost": 0.0700, "test_cost": 0.0702}
    found = verdict("stopped-too-early", of=metrics(seconds=60.0, epochs=1), rows=FALLING[:1], **begun)
    assert found.text.startswith("100 steps, 8% of a pass over the data, may be too few: ")
    assert found.try_next == "isthmus resume runs/a --epochs 6"
    assert "takes about 64 minutes" in found.text  # (6 - 1) * 1,281 steps of 0.6 s


def test_a_run_from_python_has_no_command_to_try() -> None:
    found = judge_all(
        metrics(test__mse=0.07), FALLING, replace(HEALTHY, train_cost=0.06, n_overlap=500, from_python=True)
    )
    assert [v.id for v in found if v.level != "pass"] == [
        "beats-mean",
        "beats-pca",
        "overfitting",
        "dead-units",
        "train-test-overlap",
    ]
    assert all(v.try_next is None for v in found)


def test_paths_with_spaces_are_one_word_of_the_command() -> None:
    found = verdict("stopped-too-early", stopped_by="interrupted", path="my runs/a b")
    assert shlex.split(str(found.try_next)) == ["isthmus", "resume", "my runs/a b"]

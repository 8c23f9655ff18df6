"""Real trainings with a fault planted are told which fault it is, with one cure; healthy ones raise no alarm."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from isthmus.api import Run
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from planted import FAULTS, HEALTHY, Heard, Planted, of_digits, trained

LONG = os.environ.get("ISTHMUS_LONG") == "1"
KINDS = ("digits of 8 x 8", "color patches", "a clean table of 12 columns", "a VAE of a table", "a denoiser of digits")


def planted(*ids: str) -> list[Planted]:
    return [each for each in FAULTS if each.found in ids]


def assert_named(fault: Planted, folder: Path) -> Heard:
    """The fault is the cause, or said before the training; whatever follows from it names it and has no cure."""
    heard = trained(fault, folder)
    if fault.found in {v["id"] for v in heard.verdicts}:
        assert heard.cause["id"] in {fault.found, fault.or_cause} - {""}, heard.alarms
    else:
        assert any(fault.found in note for note in heard.notes), heard.notes
    cures = [v for v in heard.alarms if "try" in v and (v["id"], v["level"]) != ("classes", "warn")]
    assert len(cures) <= 1  # never two --lr, nor `--epochs` beside "overfits"
    for verdict in heard.alarms:
        told = re.search(r"See ([\w-]+) first\.$", verdict["text"])
        assert ("try" in verdict) is (told is None), verdict
        assert told is None or told[1] in {v["id"] for v in heard.alarms}
    return heard


def name(fault: Planted) -> str:
    return fault.name


@pytest.mark.parametrize("fault", planted("value-range"), ids=name)
def test_fault_93_images_in_a_small_part_of_the_range_are_named(fault: Planted, tmp_path: Path) -> None:
    heard = assert_named(fault, tmp_path)
    assert "--scale minmax" in heard.cause["try"]
    assert any("small part of [0, 1]" in note for note in heard.notes)
    assert heard.run.model.preprocess.scale is None  # never scaled without being asked


@pytest.mark.parametrize("fault", planted("test-unlike-training"), ids=name)
def test_fault_94_a_test_set_unlike_the_training_data_is_no_overfitting(fault: Planted, tmp_path: Path) -> None:
    heard = assert_named(fault, tmp_path)
    overfitting = next(v for v in heard.verdicts if v["id"] == "overfitting")
    assert (overfitting["level"], "on validation" in overfitting["text"]) == ("pass", True)


@pytest.mark.parametrize("fault", planted("classes"), ids=name)
def test_fault_105_a_class_that_is_missing_or_tiny_is_named(fault: Planted, tmp_path: Path) -> None:
    heard = trained(fault, tmp_path)
    told = next(v for v in heard.verdicts if v["id"] == "classes")
    assert ("class 1 (4 of 139)" in told["text"]) or ("30 held-out rows are of a class that no" in told["text"])
    assert "add training rows of them, or leave such classes out" in told["text"]
    rare = told["level"] == "warn"  # checking the data would only count a rare class again
    assert told.get("try", "").startswith("isthmus check ") is not rare


@pytest.mark.parametrize("fault", planted("few-test-samples"), ids=name)
def test_fault_94_a_few_odd_test_rows_are_not_called_overfitting(fault: Planted, tmp_path: Path) -> None:
    heard = assert_named(fault, tmp_path)
    n = re.match(r"(\d+) of 200 test rows accounts? for half of the test error", heard.cause["text"])
    assert n is not None
    assert 2 <= int(n[1]) <= 10
    overfitting = next(v for v in heard.verdicts if v["id"] == "overfitting")
    assert (overfitting["level"], "on validation" in overfitting["text"]) == ("pass", True)


@pytest.mark.parametrize("fault", planted("extreme-values", "one-test-sample"), ids=name)
def test_fault_95_one_extreme_value_is_named_with_its_row(fault: Planted, tmp_path: Path) -> None:
    heard = assert_named(fault, tmp_path)
    assert re.search(r"(row 17: 1e\+06, 100.0%)|(One test row, 17, accounts for 100%)", heard.cause["text"])


@pytest.mark.parametrize("fault", planted("--label species"), ids=name)
def test_fault_106_a_label_of_three_classes_is_named(fault: Planted, tmp_path: Path) -> None:
    assert "--label species" in " ".join(assert_named(fault, tmp_path).notes)


@pytest.mark.parametrize("fault", planted("seems to number the rows"), ids=name)
def test_fault_107_a_column_that_counts_the_rows_is_named(fault: Planted, tmp_path: Path) -> None:
    assert "--drop-column number" in " ".join(assert_named(fault, tmp_path).notes)


@pytest.mark.parametrize("fault", planted("code-size", "beats-pca"), ids=name)
def test_fault_108_a_code_too_small_or_as_wide_as_the_row_is_named(fault: Planted, tmp_path: Path) -> None:
    assert re.search("--z-size |isthmus check ", assert_named(fault, tmp_path).cause["try"])


def test_layers_that_stay_at_the_components_where_they_started_are_named(tmp_path: Path) -> None:
    fault = Planted("a learning rate of 0.000001", of_digits(lambda x: x, lr=1e-6), "beats-pca")
    assert "PCA" in assert_named(fault, tmp_path).cause["text"]


@pytest.mark.parametrize("fault", planted("penalty-weight", "fixed-variance", "exploded-kl"), ids=name)
def test_fault_109_a_penalty_out_of_all_proportion_is_named(fault: Planted, tmp_path: Path) -> None:
    assert re.search("--set |--lr ", assert_named(fault, tmp_path).cause["try"])


OTHERS = {"train-test-overlap", "nothing-to-learn", "too-little-data", "learning-rate", "overfitting"}


@pytest.mark.parametrize("fault", planted(*OTHERS, "explains-little", "beats-mean"), ids=name)
def test_other_planted_faults_are_named(fault: Planted, tmp_path: Path) -> None:
    assert "isthmus" in assert_named(fault, tmp_path).cause["try"]


def test_there_are_twenty_faults_and_ten_healthy_runs() -> None:
    assert (len(FAULTS) >= 20, len(HEALTHY)) == (True, 10)
    assert {each.name for each in HEALTHY} >= {*KINDS}


@pytest.mark.long
@pytest.mark.parametrize("healthy", [h for h in HEALTHY if h.name in KINDS or LONG], ids=name)
def test_healthy_runs_raise_no_alarm(healthy: Planted, tmp_path: Path) -> None:
    heard = trained(healthy, tmp_path)
    assert heard.alarms == []
    assert not [
        note for note in heard.notes if "to number the rows" in note or "--label" in note or "small part" in note
    ]


FOLLOWED = ("images divided by 255 twice", "a code of one number", "a code as wide as the row")
FOLLOWED += ("a learning rate of 0.000001", "a KL that counts 50 times", "squared error under a VAE")
LATER = ("one epoch", "20 columns of pure noise", "8 columns of rank 3, a code of 4", "a learning rate of 3")
LATER += ("300 epochs on 64 digits", "a VAE whose code explodes", "float images between 0.42 and 0.47")


@pytest.mark.long
@pytest.mark.parametrize("fault", [f for f in FAULTS if f.name in FOLLOWED + (LATER if LONG else ())], ids=name)
def test_a_cure_that_is_followed_ends_the_verdict_or_gives_another_cure(fault: Planted, tmp_path: Path) -> None:
    before = trained(fault, tmp_path).cause
    words = shlex.split(before["try"])[1:]
    out = tmp_path / "run"
    if words[0] == "train":
        out = tmp_path / "second"
        words += ["--out", str(out)]
    assert run_guarded(build_app(), words) == 0
    after = {v["id"]: v for v in Run(out).metrics["verdicts"] if v["level"] != "pass"}
    assert after.get(before["id"], {}).get("try") != before["try"]

"""A whole set unlike the training data: named in words, with what was done to it, and silence on healthy sets."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer

import isthmus
import tiny
from isthmus.api import Run
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.data.samples import Samples
from isthmus.evaluation.verdicts.set_check import check_set
from isthmus.tools.inference import apply

DONE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "inverted": lambda x: 255 - x,
    "mirrored": lambda x: x[..., ::-1],
    "upside down": lambda x: x[..., ::-1, :],
    "transposed": lambda x: x.swapaxes(2, 3),
    "rotated by 90 degrees": lambda x: np.rot90(x, 1, (2, 3)),
    "transposed and inverted": lambda x: 255 - x.swapaxes(2, 3),
    "with another exposure or scale": lambda x: (0.5 * x).astype(np.uint8),
}


def of(x: np.ndarray) -> Samples:
    return Samples(np.ascontiguousarray(x), "a set", columns=None if x.ndim == 4 else tuple("abcdef"))


def fresh_rows(n: int, seed: int) -> np.ndarray:
    """New rows of the kind of `tiny.table(1_000)`: its mixing matrix is drawn after the factors of 1,000 rows."""
    same, new = np.random.default_rng(0), np.random.default_rng(seed)
    same.normal(size=(1_000, 3))
    mixing = same.normal(size=(3, 6))
    return (new.normal(size=(n, 3)) @ mixing + 0.1 * new.normal(size=(n, 6))).astype(np.float32)


@pytest.mark.parametrize("what", DONE)
def test_fault_94_a_whole_set_of_images_unlike_the_training_data(digit_run: Run, what: str) -> None:
    found = check_set(digit_run, of(DONE[what](digit_run.prepared.splits.test.x)))
    assert found.unlike, found.text
    assert found.undo == what
    assert found.text.startswith("the set as a whole is unlike the training data: ")
    assert f"{what.capitalize()}? If that is undone, " in found.text
    told = re.search(r"undone, (\d+) of \d+ (?:are outliers|is an outlier), instead of (\d+)", found.text)
    assert told is None or int(told[1]) < int(told[2])  # where only levels differ, there may be no outliers


def test_fault_94_few_inverted_images_are_enough(digit_run: Run) -> None:
    """Of ten sets of ten all are told, of ten sets of five nine: one had an image that is odd without it too."""
    found = check_set(digit_run, of(255 - digit_run.prepared.splits.test.x[:10]))
    assert (found.unlike, found.undo, found.n, found.n_outliers) == (True, "inverted", 10, 10)
    assert "10 of 10 samples are outliers" in found.text


def test_fault_94_images_that_nothing_brings_back_are_named_without_a_guess(digit_run: Run) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 1, 28, 28), dtype=np.uint8)
    found = check_set(digit_run, of(noise))
    assert (found.unlike, found.undo) == (True, None)
    assert "100 of 100 samples are outliers (expected by chance: 0.99)" in found.text  # 1 of 101, times 100


@pytest.mark.parametrize(("factor", "told"), [(1_000, 1_000), (0.01, 0.01), (3.28, 3.28)])
def test_fault_94_a_column_in_other_units_is_named_with_the_factor(table_run: Run, factor: float, told: float) -> None:
    rows = fresh_rows(500, seed=5)
    rows[:, 2] *= factor
    found = check_set(table_run, of(rows))
    assert (found.unlike, found.columns[0]) == (True, "c")
    times = float(found.text.partition("column c has values about ")[2].split(" ")[0].replace(",", ""))
    assert times == pytest.approx(told, rel=0.15)  # medians of 500 and of 800 rows


def test_fault_94_columns_that_moved_or_were_exchanged_are_named(table_run: Run) -> None:
    rows = fresh_rows(200, seed=6)
    moved = rows.copy()
    moved[:, 4] += 5 * rows[:, 4].std()
    found = check_set(table_run, of(moved))
    assert (found.unlike, found.columns[0]) == (True, "e")
    assert "standard deviations above that of training" in found.text
    assert set(check_set(table_run, of(rows[:, [1, 0, 2, 3, 4, 5]])).columns) >= {"a", "b"}


@pytest.mark.parametrize("n", [2, 10, 50, 200])
def test_healthy_sets_of_images_are_not_called_unlike(digit_run: Run, n: int) -> None:
    """One in a thousand is stated; one of 40 is had by chance with a probability of 4 %, so none may come."""
    x, rng = digit_run.prepared.splits.test.x, np.random.default_rng(n)
    sets = [x[rng.permutation(len(x))[:n]] for _ in range(40 if n < 200 else 1)]
    assert [check_set(digit_run, of(x)).unlike for x in sets] == [False] * len(sets)


@pytest.mark.parametrize("n", [2, 10, 50, 500])
def test_healthy_sets_of_rows_are_not_called_unlike(table_run: Run, n: int) -> None:
    assert [check_set(table_run, of(fresh_rows(n, 100 + i))).unlike for i in range(40)] == [False] * 40


def test_single_classes_and_sets_with_some_anomalies_are_not_unlike(digit_run: Run) -> None:
    train, noise = digit_run.prepared.splits.train, np.random.default_rng(0)
    for k in range(10):
        assert not check_set(digit_run, of(train.x[train.labels == k])).unlike, k
    mixed = digit_run.prepared.splits.test.x.copy()
    mixed[:60] = noise.integers(0, 256, (60, 1, 28, 28), dtype=np.uint8)  # 30 % of the set, which `score` is for
    assert not check_set(digit_run, of(mixed)).unlike


def test_one_piece_a_photograph_counts(digit_run: Run) -> None:
    x = 255 - digit_run.prepared.splits.test.x
    one = Samples(x, "pieces", groups=np.zeros(len(x), np.int64))
    assert check_set(digit_run, one).unlike is False  # a single photograph is no set
    many = Samples(x, "pieces", groups=np.arange(len(x)) // 2)
    assert (check_set(digit_run, many).unlike, check_set(digit_run, many).n) == (True, 100)


def test_noisy_input_of_a_denoiser_is_set_beside_noisy_samples(denoiser: Run, digits: tiny.Digits) -> None:
    noise = np.random.default_rng(0).normal(0, 0.5, (100, 1, 28, 28))
    for x, unlike in ((digits.x[200:300] / 255, False), (1 - digits.x[200:300] / 255, True)):
        noisy = (255 * np.clip(x + noise, 0, 1)).astype(np.uint8)
        assert check_set(denoiser, of(noisy), noisy=True).unlike is unlike


def test_runs_that_keep_less_say_less_and_read_no_data(digit_run: Run, tmp_path: Path) -> None:
    old = Run(shutil.copytree(digit_run.path, tmp_path / "old"))
    x = digit_run.prepared.splits.test.x
    shutil.rmtree(old.path / "latent" / "set")
    assert check_set(old, of(255 - x)).undo == "inverted"
    shutil.rmtree(old.path / "latent" / "anomaly")
    assert check_set(old, of(255 - x)).as_dict() == {"unlike": None}
    broken = Run(shutil.copytree(digit_run.path, tmp_path / "broken"))
    (broken.path / "latent" / "set" / "set.safetensors").write_bytes(b"x")
    found = check_set(broken, of(x))
    assert found.unlike is None
    assert "cannot check whether" in found.text


def test_score_evaluate_and_reconstruct_tell_it(
    digit_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "inverted.npy", 255 - digit_run.prepared.splits.test.x)
    np.save(tmp_path / "healthy.npy", digit_run.prepared.splits.test.x)
    for name, unlike in (("inverted", True), ("healthy", False)):
        for command, out in (("score", "s.csv"), ("reconstruct", "r.npy"), ("evaluate", None)):
            words = [command, str(digit_run.path), str(tmp_path / f"{name}.npy"), "--json"]
            words += [] if out is None else ["-o", str(tmp_path / name / out)]
            (tmp_path / name).mkdir(exist_ok=True)
            assert run_guarded(build_app(), words) == 0
            told = capsys.readouterr()
            found = json.loads(told.out)["set"]
            assert found["unlike"] is unlike, command
            assert not unlike or (found["seems"], found["outliers"], found["n"]) == ("inverted", 200, 200)
            assert command == "evaluate" or unlike == ("as a whole is unlike" in told.err)
    assert run_guarded(build_app(), ["evaluate", str(digit_run.path), str(tmp_path / "inverted.npy")]) == 0
    assert "note: the set as a whole is unlike the training data" in capsys.readouterr().out


def test_fault_94_denoise_tells_it_and_leaves_noise_to_the_noise_check(
    denoiser: Run, digits: tiny.Digits, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.5, (100, 1, 28, 28))
    x = 1 - digits.x[200:300] / 255
    np.save(tmp_path / "noisy.npy", (255 * np.clip(x + noise, 0, 1)).astype(np.uint8))
    written = apply.denoise(denoiser, tmp_path / "noisy.npy", tmp_path / "out.npy")
    assert written.as_dict()["set"]["unlike"] is True
    assert any("the set as a whole is unlike" in said for said in written.said)


def test_healthy_rows_of_a_real_table_with_long_tails_are_not_unlike(tmp_path: Path) -> None:
    """Breast cancer: 30 columns, some with a kurtosis of 49; every part of the 285 rows that were not trained on."""
    table = load_breast_cancer(as_frame=True).data
    order = np.random.default_rng(0).permutation(len(table))
    frame = pl.DataFrame({name: table[name].to_numpy()[order] for name in table.columns})
    settings = tiny.SMALL | {"hidden": [64], "z_size": 6, "epochs": 40}
    run = isthmus.train(frame[:284], out=tmp_path / "run", show=False, **settings)
    new = frame[284:].to_numpy().astype(np.float32)
    rng = np.random.default_rng(1)
    for n in (3, 10, 50, 285):
        for _ in range(10 if n < 285 else 1):
            rows = Samples(new[rng.permutation(len(new))[:n]], "rows", columns=tuple(frame.columns))
            assert not check_set(run, rows).unlike, check_set(run, rows).text
    new[:, 0] *= 1_000
    found = check_set(run, Samples(new, "rows", columns=tuple(frame.columns)))
    assert (found.unlike, found.columns[0]) == (True, "mean radius")

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.neighbors import KNeighborsClassifier

import isthmus
from isthmus.api import Run
from isthmus.cli import exploration_commands
from isthmus.data.images.saving import save_images
from isthmus.data.samples import Samples
from isthmus.errors import DataError
from isthmus.evaluation.metrics import label_probe
from isthmus.tools.exploration import encoded_samples, probing
from isthmus.tools.exploration.probing import probe_run
from tiny import FAST, Digits


def test_the_runs_own_test_data_is_asked(digit_run: Run) -> None:
    found = probe_run(digit_run)
    splits = digit_run.prepared.splits
    x = np.concatenate([splits.train.x, splits.validation.x])
    y = np.concatenate([np.asarray(splits.train.labels), np.asarray(splits.validation.labels)])
    model = KNeighborsClassifier(5).fit(digit_run.model.encode(x), y)
    assert found["codes"]["knn"] == model.score(digit_run.model.encode(splits.test.x), splits.test.labels)
    raw = KNeighborsClassifier(5).fit(x.reshape(len(x), -1) / 255.0, y)
    assert found["raw"]["knn"] == raw.score(splits.test.x.reshape(200, -1) / 255.0, splits.test.labels)
    assert [found[name]["size"] for name in ("codes", "pca", "raw")] == [12, 12, 784]
    assert (found["codes"]["n_train"], found["codes"]["n_test"], found["codes"]["n_classes"]) == (1_800, 200, 10)
    assert found["said"] == []


def test_few_samples_leave_a_doubt_even_where_all_are_right(digit_run: Run) -> None:
    # 19 of 20 after one right and one wrong are added: sqrt(0.95 * 0.05 / 18) = 0.0514
    assert probing.accuracy_error(1.0, 18) == pytest.approx(0.05137, abs=1e-4)
    assert probing.accuracy_error(0.0, 18) == pytest.approx(probing.accuracy_error(1.0, 18))
    assert probing.accuracy_error(0.9, 10_000) == pytest.approx(0.003, rel=0.01)  # sqrt(0.9 * 0.1 / 10,000)
    found = probe_run(digit_run)
    lowest = min(found[space][name] for space in ("codes", "pca", "raw") for name in ("knn", "linear"))
    assert found["standard_error"] == pytest.approx((lowest * (1 - lowest) / 200) ** 0.5, rel=0.1)
    assert exploration_commands._probed(found)[-1] == (
        f"accuracies are measured on 200 samples: ± {found['standard_error']:.2g}"
    )


def test_other_data_is_divided(digit_run: Run) -> None:
    found = probe_run(digit_run, "mnist-2k", k=1)
    assert (found["codes"]["n_train"], found["codes"]["n_test"], found["codes"]["k"]) == (1_600, 400, 1)
    assert probe_run(digit_run, "mnist-2k", k=1) == found


def test_large_data_is_thinned_unless_all_is_asked_for(digit_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_probe, "WORK", 1e7)
    found = probe_run(digit_run)
    n_train, n_test = found["codes"]["n_train"], found["codes"]["n_test"]
    assert n_train * n_test * 784 == pytest.approx(1e7, rel=0.05)  # rounded down, to whole samples
    assert found["said"][0] == f"{n_train:,} of 1,800 training samples are used (--all uses all with a label)"
    assert probe_run(digit_run, everything=True)["codes"]["n_train"] == 1_800


def test_folders_with_a_test_part_keep_it(digit_run: Run, digits: Digits, tmp_path: Path) -> None:
    for part, rows in (("train", range(100)), ("test", range(100, 140))):
        names = [f"{digits.labels[i]}/{i}.png" for i in rows]
        save_images(tmp_path / "d" / part, digits.x[list(rows)], names)
    found = probe_run(digit_run, tmp_path / "d")
    model = KNeighborsClassifier(5).fit(digit_run.model.encode(digits.x[:100]), digits.labels[:100])
    expected = model.score(digit_run.model.encode(digits.x[100:140]), digits.labels[100:140])
    assert found["codes"]["knn"] == pytest.approx(expected, abs=0.051)  # of equal votes the order of the files decides


def test_data_without_labels_cannot_be_asked(denoiser: Run) -> None:
    with pytest.raises(DataError, match="no labels, so codes cannot be judged"):
        probe_run(denoiser)
    assert probing.K == 5


def test_fault_91_pieces_of_one_image_are_not_mixed_over_the_parts() -> None:
    """Of 60 groups with a class by lot, whose pieces are alike, nobody can tell that of a new one: half is right."""
    rng, found = np.random.default_rng(0), []
    for seed in range(40):
        x = np.repeat(rng.normal(size=(60, 4)), 10, axis=0) + 0.1 * rng.normal(size=(600, 4))
        labels = np.repeat(rng.integers(0, 2, 60), 10)
        samples = Samples(x, "t", labels=labels, classes=("a", "b"), groups=np.repeat(np.arange(60), 10))
        train, test = probing._divided(samples, seed)
        assert set(train.groups.tolist()).isdisjoint(test.groups.tolist())  # type: ignore[union-attr]
        assert (len(train), len(test)) == (480, 120)
        found.append(label_probe.knn_accuracy(train.x, train.labels, test.x, test.labels, k=1))  # type: ignore[arg-type]
    # 40 draws of 12 groups: the mean of 480 fair coins, whose deviation is 0.023; divided, all would be right.
    assert abs(np.mean(found) - 0.5) < 4 * 0.023


def test_fault_91_joined_sets_keep_their_groups_apart() -> None:
    x = np.zeros((4, 1), np.float32)
    first, second = (Samples(x, "t", groups=np.array([5, 5, 9, 9])) for _ in range(2))
    assert encoded_samples.joined([first, second]).groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]  # type: ignore[union-attr]
    assert encoded_samples.joined([first, Samples(x, "t")]).groups.tolist() == [0, 0, 1, 1, 2, 3, 4, 5]  # type: ignore[union-attr]


def test_fault_91_a_group_counts_once_in_the_standard_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(rng.normal(size=(200, 3)), schema=["a", "b", "c"])
    frame = frame.with_columns(kind=pl.Series(rng.integers(0, 2, 200)), who=pl.Series(np.arange(200) // 10))
    frame.write_csv(tmp_path / "t.csv")
    run = isthmus.train(
        str(tmp_path / "t.csv"), label="kind", group="who", out=tmp_path / "run", **FAST | {"z_size": 2}
    )
    found = probe_run(run, tmp_path / "t.csv")
    assert (found["codes"]["n_test"], found["n_groups"]) == (40, 4)
    accuracies = [found[space][name] for space in ("codes", "pca", "raw") for name in ("knn", "linear")]
    assert found["standard_error"] == max(probing.accuracy_error(accuracy, 4) for accuracy in accuracies)
    assert "on 40 samples in 4 groups" in exploration_commands._probed(found)[-1]
    less = _without(frame, "who", tmp_path)
    assert "n_groups" not in probe_run(run, less)  # what was only inherited may be absent
    with pytest.raises(DataError, match=r'less\.csv has no column "who" for --group'):
        probe_run(run, less, settings={"group": "who"})


def _without(frame: pl.DataFrame, column: str, folder: Path) -> Path:
    frame.drop(column).write_csv(folder / "less.csv")
    return folder / "less.csv"


def test_fault_194_rows_without_a_label_are_left_out(tmp_path: Path) -> None:
    """A column that says where x and y lie; every fifth cell is missing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 2))
    sides = [("left" if value < 0 else "right") if i % 5 else None for i, value in enumerate(x[:, 0])]
    days = ["Mon", "Tue"] * 50
    pl.DataFrame({"x": x[:, 0], "y": x[:, 1], "day": days, "side": sides}).write_csv(tmp_path / "sides.csv")
    run = isthmus.train(tmp_path / "sides.csv", out=tmp_path / "run", **FAST)
    with pytest.raises(DataError, match="has no labels") as caught:
        probe_run(run)
    assert str(caught.value.fix).endswith("--label day`")
    with pytest.raises(DataError, match="has no labels") as caught:
        probe_run(run, settings={"label": "side"})  # of the run's own data, which has none
    assert str(caught.value.fix).endswith("--label side`")
    found = probe_run(run, tmp_path / "sides.csv", settings={"label": "side"})
    assert found["codes"]["n_train"] + found["codes"]["n_test"] == 80
    left_out = sum(int(text.split()[0]) for text in found["said"] if text.endswith("samples have no label"))
    assert left_out == 20
    assert found["codes"]["n_classes"] == 2

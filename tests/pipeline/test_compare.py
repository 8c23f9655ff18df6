"""`isthmus compare`: a table of recipes and runs with the numbers of the runs themselves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier

import tiny
from isthmus.api import Run
from isthmus.errors import UsageError
from isthmus.pipeline import compare
from isthmus.runs.artifacts import Artifacts
from isthmus.settings import nest
from isthmus.tools.sampling import classifier
from isthmus.tools.sampling.classifier import PART
from isthmus.tools.sampling.resemblance import Judges, resemblance
from isthmus.tools.sampling.sampling import draw_samples


@pytest.fixture(scope="module", autouse=True)
def _short_classifiers() -> Iterator[None]:
    """Replaces the digit classifiers, which tests/tools/sampling tests; five of them would take 20 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "STEPS", 50)
        yield


@pytest.fixture(scope="module")
def own_run(digit_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy in which a test may save such a classifier."""
    return Run(shutil.copytree(digit_run.path, tmp_path_factory.mktemp("own") / "digits"))


@pytest.fixture(scope="module")
def found(own_run: Run, tmp_path_factory: pytest.TempPathFactory) -> compare.ComparisonTable:
    settings = nest(tiny.SMALL | {"hidden": [32], "z_size": 4, "epochs": 2})
    out = tmp_path_factory.mktemp("contest") / "out"
    names = ["modern", "linear", str(own_run.path)]
    return compare.compare(names, "mnist-2k", out=out, seeds=[0, 1], settings=settings, show=False)


def test_recipes_have_a_row_of_means_over_seeds_and_runs_their_own(
    found: compare.ComparisonTable, own_run: Run
) -> None:
    assert [(row["name"], row["n"]) for row in found.rows] == [("modern", 2), ("linear", 2), (str(own_run.path), 1)]
    each = [Run(found.folder / f"modern-{seed}").metrics["test"]["mse"] for seed in (0, 1)]
    assert found.rows[0]["mse"]["mean"] == pytest.approx(np.mean(each))
    assert found.rows[0]["mse"]["sd"] == pytest.approx(np.std(each, ddof=1))
    assert found.rows[2]["parameters"] == {"mean": own_run.metrics["parameters"], "sd": None}
    assert "bce_over_floor" not in found.rows[1]  # a Gaussian likelihood


def test_the_neighbors_are_those_of_scikit_learn(own_run: Run) -> None:
    latent, test = own_run.latent, own_run.prepared.splits.test
    model = KNeighborsClassifier(5).fit(latent.codes, latent.labels)
    expected = model.score(own_run.model.encode(test.x), test.labels)
    assert compare.measured(own_run)["knn"] == pytest.approx(expected)


def test_one_classifier_judges_all_runs_of_the_same_data(found: compare.ComparisonTable) -> None:
    kept = [
        name for name in ("modern-0", "modern-1", "linear-0", "linear-1") if Artifacts(found.folder / name).has(PART)
    ]
    assert kept == ["modern-0", "modern-1"]  # each seed splits the digits differently
    judges = Judges()
    modern, linear, other = (Run(found.folder / name) for name in ("modern-0", "linear-0", "modern-1"))
    judge = judges.of(modern)
    assert judge is not None
    assert judges.of(linear) is judge
    assert judges.of(other) is not judge
    drawn = draw_samples(linear, 1_000, seed=0).x
    expected = resemblance(linear, drawn).fidelity  # with its own classifier, from the same data and seed
    shared = resemblance(linear, drawn, judge=judge).fidelity
    assert (shared.precision, shared.recall) == pytest.approx((expected.precision, expected.recall), abs=1e-6)


def test_the_files_beside_the_runs(found: compare.ComparisonTable) -> None:
    assert json.loads((found.folder / "comparison.json").read_text())["data"] == "mnist-2k"
    table = (found.folder / "comparison.md").read_text().splitlines()
    assert table[0].startswith("| | test MSE | BCE above the floor |")
    assert len(table) == 5
    assert " ± " in table[2]
    with Image.open(found.folder / "comparison.png") as picture:
        assert picture.width > picture.height


def test_a_recipe_that_failed_says_why_in_the_table(tmp_path: Path) -> None:
    good = {"name": "a", "n": 1, "failed": "", "mse": {"mean": 0.5, "sd": None}}
    rows = (good, {"name": "b", "n": 0, "failed": "no"})
    assert compare.ComparisonTable(tmp_path, "x", rows).markdown().splitlines()[2:] == [
        "| a | 0.500 |",
        "| b | failed: no |",
    ]


def test_the_data_is_the_last_name_that_is_no_recipe(own_run: Run) -> None:
    assert compare.parted(["modern", "vae", "table.csv"]) == (["modern", "vae"], "table.csv")
    assert compare.parted(["modern", "vae"]) == (["modern", "vae"], "mnist-2k")
    assert compare.parted([str(own_run.path)]) == ([str(own_run.path)], "mnist-2k")
    with pytest.raises(UsageError, match=r"my table\.csv is data") as caught:
        compare.parted(["my table.csv"])
    assert caught.value.fix == "name recipes before the data: `isthmus compare modern vae 'my table.csv'`"
    with pytest.raises(UsageError, match="'0,x' is not a list of seeds"):
        compare.seeds_of("0,x")


def test_fault_188_data_beside_runs_alone_is_refused(own_run: Run) -> None:
    with pytest.raises(UsageError, match="mnist is neither a recipe nor a run, and runs alone") as caught:
        compare.parted([str(own_run.path), "mnist"])
    assert caught.value.fix == "leave out mnist, or name recipes to train on it"


def test_runs_alone_are_compared_on_their_own_data(denoiser: Run, tmp_path: Path) -> None:
    found = compare.compare([str(denoiser.path)], out=tmp_path / "out", show=False)
    assert found.data == denoiser.metrics["data"]["name"] != "mnist-2k"


def test_a_run_without_metrics_is_named(copy: Path, tmp_path: Path) -> None:
    (copy / "metrics.json").unlink()
    with pytest.raises(UsageError, match=r"has no metrics\.json yet, because it is not finished") as caught:
        compare.compare([str(copy)], out=tmp_path / "out", show=False)
    assert caught.value.fix == f"finish it with `isthmus resume {copy}`"


def test_fault_188_data_in_front_of_the_recipes_is_told_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mnist-2k is data, but it is not the last name") as caught:
        compare.compare(["mnist-2k", "modern"], out=tmp_path / "out", show=False)
    assert caught.value.fix == "name the data last, after the recipes and runs"


@pytest.mark.parametrize(
    "names", [["modren"], ["vae", "modren"], ["modren", "vae", "mnist-2k"], ["modren", "mnist-2k"]]
)
def test_fault_188_a_misspelled_recipe_is_not_taken_for_data(names: list[str], tmp_path: Path) -> None:
    def called() -> None:
        members, data = compare.parted(names)
        compare.compare(members, data, out=tmp_path / "out", show=False)

    with pytest.raises(UsageError, match="unknown recipe or run 'modren'") as caught:
        called()
    assert str(caught.value.fix).startswith("did you mean 'modern'?")
    assert not (tmp_path / "out").exists()


def test_runs_that_were_tested_on_other_data_are_not_ranked(own_run: Run, denoiser: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="were tested on different data"):
        compare.compare([str(own_run.path), str(denoiser.path)], out=tmp_path / "out", show=False)


@pytest.mark.parametrize(
    ("key", "mean", "sd", "told"),
    [
        ("mse", 0.00756, 5.9e-5, "0.00756 ± 0.00006"),
        ("mse", 0.01, None, "0.0100"),
        ("knn", 0.9612, 0.0016, "96.12% ± 0.16"),
        ("parameters", 1_075_488, 0.0, "1,075,488"),
        ("seconds", 69.2, 38.4, "69 ± 38"),
        ("psnr_db", 22.289, 0.027, "22.29 ± 0.03"),
        ("mse", 12_345.6, 10.2, "12,346 ± 10"),
    ],
)
def test_a_mean_and_its_spread_have_the_same_digits(key: str, mean: float, sd: float | None, told: str) -> None:
    assert compare._cell(key, {"mean": mean, "sd": sd}) == told

"""The page of several runs: their numbers, what differs, the curves, and the same images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isthmus
import tiny
from isthmus.api import Run
from isthmus.pipeline.reporting import report, run_data_of
from isthmus.report import compare
from isthmus.report.comparison import Comparison, names_of
from isthmus.training import prepare
from pages import Page, assert_asks_for_nothing, assert_readable_by_everybody


@pytest.fixture(scope="module")
def pair(images: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two runs on the same images that differ in the length of their codes and in their epochs."""
    folder = tmp_path_factory.mktemp("pair")
    short = isthmus.train(images, out=folder / "short", **tiny.FAST | {"z_size": 2, "epochs": 2})
    return [short, isthmus.train(images, out=folder / "long", **tiny.FAST | {"z_size": 8, "epochs": 4})]


@pytest.fixture(scope="module")
def page(pair: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(report(*pair, out=tmp_path_factory.mktemp("page") / "both.html").path)


def compared(*runs: Run) -> Comparison:
    return compare([run_data_of(Run(run.path)) for run in runs])


def changed(run: Run, folder: Path, **metrics: Any) -> Run:
    """A copy of the run whose metrics.json says something else."""
    path = Path(shutil.copytree(run.path, folder))
    found = json.loads((path / "metrics.json").read_text("utf-8"))
    (path / "metrics.json").write_text(json.dumps(found | metrics), "utf-8")
    (path / "MANIFEST.json").unlink()
    return Run(path)


def test_it_is_a_page_like_any_other(page: Page) -> None:
    assert_asks_for_nothing(page)
    assert_readable_by_everybody(page)
    sections = [e.attributes["id"] for e in page.all("section") if "id" in e.attributes]
    assert sections == ["numbers", "settings", "curves", "images"]


def test_the_sentence_names_the_better_run(pair: list[Run], page: Page) -> None:
    errors = {run.path.name: run.metrics["test"]["mse"] for run in pair}
    best = min(errors, key=lambda name: errors[name])
    assert page.all("p", class_="sentence")[0].text.startswith(f"{best} has the lowest error on the same test data")


def test_the_best_number_of_a_column_is_marked(pair: list[Run], page: Page) -> None:
    marked = page.all("section", id="numbers")[0].all("td", class_="best-cell")
    values = {float(cell.all("data")[0].attributes["value"]) for cell in marked}
    tests = [run.metrics["test"] for run in pair]
    least = {min(test[key] for test in tests) for key in ("mse", "bce")}
    most = {max(test[key] for test in tests) for key in ("psnr_db", "ssim")}
    assert values == least | most


def test_only_the_settings_that_differ_are_listed(page: Page) -> None:
    rows = page.all("section", id="settings")[0].all("tbody")[0].all("tr")
    found = {row.all("th")[0].text: [cell.text for cell in row.all("td")] for row in rows}
    assert found == {"model.z_size": ["2", "8"], "training.epochs": ["2", "4"]}


def test_the_curves_lie_over_each_other(pair: list[Run], page: Page) -> None:
    drawn = page.data["curves"]
    assert drawn["epochs"] == [1, 2, 3, 4]
    costs = [[row["validation_cost"] for row in run.history] for run in pair]
    assert {name: values for name, _, values in drawn["lines"]} == {"short": [*costs[0], None, None], "long": costs[1]}


def test_the_same_images_stand_row_by_row(page: Page) -> None:
    rows = page.all("section", id="images")[0].all("div", class_="strip")
    assert [row.all("p")[0].text.split()[0] for row in rows] == ["original", "short", "long"]
    assert {len(row.all("img")) for row in rows} == {10}


def test_data_is_read_once_for_all_runs_that_name_the_same(
    pair: list[Run], denoiser: Run, digit_run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read: list[str] = []
    as_usual = prepare.read_splits

    def counted(config: Any, *others: Any) -> Any:
        read.append(config.data.source)
        return as_usual(config, *others)

    monkeypatch.setattr(prepare, "read_splits", counted)
    written = report(*pair, denoiser, digit_run, out=tmp_path / "all.html")
    assert read == [pair[0].config.data.source, "mnist-2k"]
    assert written.missing == ()


def test_runs_on_other_data_are_not_ranked(pair: list[Run], digit_run: Run) -> None:
    found = compared(pair[0], digit_run)
    assert "cannot be compared" in found.sentence
    assert [section.id for section in found.sections] == ["numbers", "settings", "curves"]
    cells = [cell for row in found.sections[0].values["rows"] for cell in row["cells"]]
    assert not any(cell["best"] for cell in cells)


def test_denoisers_and_plain_runs_are_not_ranked(pair: list[Run], denoiser: Run) -> None:
    found = compared(pair[0], denoiser)
    assert found.sentence.startswith("These runs were tested with different noise")
    assert "The input of a was noisy" in next(s for s in found.sections if s.id == "images").read


def test_a_run_with_another_cost_is_left_out_of_the_curves(pair: list[Run], tmp_path: Path) -> None:
    test = pair[1].metrics["test"] | {"cost_unit": "nats"}
    curves = next(
        s for s in compared(pair[0], changed(pair[1], tmp_path / "b", test=test)).sections if s.id == "curves"
    )
    assert [name for name, _, _ in curves.script["lines"]] == ["short"]
    assert "use another cost: b" in curves.read


def test_runs_with_the_same_settings_say_so(pair: list[Run], tmp_path: Path) -> None:
    settings = compared(pair[0], changed(pair[0], tmp_path / "b")).sections[1]
    assert settings.values["rows"] == []
    assert "settings are the same" in settings.read


def test_runs_called_alike_keep_their_whole_paths(tmp_path: Path, pair: list[Run]) -> None:
    other = changed(pair[0], tmp_path / "short")
    names = names_of([run_data_of(Run(run.path)) for run in (pair[0], other, pair[1])])
    assert names == [str(pair[0].path), str(other.path), "long"]


def test_errors_that_are_no_numbers_rank_nothing(pair: list[Run], tmp_path: Path) -> None:
    broken = [changed(run, tmp_path / str(i), test=run.metrics["test"] | {"mse": None}) for i, run in enumerate(pair)]
    assert compared(*broken).sentence.startswith("Fewer than two of these runs have a finite test error")
    perfect = changed(pair[0], tmp_path / "perfect", test=pair[0].metrics["test"] | {"mse": 0.0})
    assert compared(perfect, pair[1]).sentence == "perfect has no error on the test data."


def test_tables_are_compared_without_images(tmp_path: Path) -> None:
    data = tmp_path / "table.npy"
    np.save(data, tiny.table(150))
    runs = [isthmus.train(data, out=tmp_path / str(z), **tiny.FAST | {"z_size": z}) for z in (1, 3)]
    assert [section.id for section in compared(*runs).sections] == ["numbers", "settings", "curves"]

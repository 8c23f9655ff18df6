"""Writing the report: at the end of a run, later, without the data, and when something fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import Interrupted, ResourceError, UsageError
from isthmus.pipeline import reporting
from pages import Page, assert_asks_for_nothing, assert_readable_by_everybody

LARGEST = 3_000_000  # bytes: what can be mailed


def test_every_run_leaves_its_page(denoiser: Run) -> None:
    page = (denoiser.path / "report.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert len(page) < LARGEST


def test_the_page_of_a_finished_run_is_the_one_that_it_left(denoiser: Run, tmp_path: Path) -> None:
    written = reporting.report(denoiser.path, out=tmp_path / "again.html")
    assert written.missing == ()
    assert written.path.read_text("utf-8") == (denoiser.path / "report.html").read_text("utf-8")
    assert written.as_dict() == {"report": str(written.path), "bytes": written.path.stat().st_size, "left_out": []}


def test_a_run_that_is_not_judged_has_no_page(copy: Path) -> None:
    (copy / "metrics.json").unlink()
    with pytest.raises(UsageError, match=r"has no metrics\.json yet, because it is not finished"):
        reporting.report(copy)
    with pytest.raises(UsageError, match="no run is named"):
        reporting.report()


@pytest.fixture
def without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: tiny.Digits) -> Run:
    """A finished run whose data is gone."""
    monkeypatch.chdir(tmp_path)
    np.save("gone.npy", digits.x[:100])
    run = isthmus.train("gone.npy", noise="gaussian:0.5", out="run", **tiny.FAST)
    Path("gone.npy").unlink()
    return Run(run.path)


def test_without_its_data_the_page_shows_what_the_run_left_and_says_what_is_missing(without_data: Run) -> None:
    written = reporting.report(without_data)
    assert len(written.missing) == 1
    assert "can no longer be read" in written.missing[0]
    page = Page(written.path)
    assert_asks_for_nothing(page)
    assert_readable_by_everybody(page)
    assert written.missing[0] in page.all("section", class_="missing")[0].text
    pictures = page.all("section", id="sanity")[0].all("img")
    assert len(pictures) == 3  # sanity.png, denoising.png and worst.png
    assert without_data.metrics["test"]["mse"] in page.values
    assert not page.all("section", id="errors")
    assert page.all("section", id="imagined")  # the model and latent/ are enough for that


def test_a_module_of_ones_own_is_reported_once_it_is_given(digits: tiny.Digits, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 784), torch.nn.Unflatten(1, (1, 28, 28)))
    run = isthmus.fit(module, digits.x[:100], out=tmp_path / "own", **tiny.FAST)
    page = Page(run.path / "report.html")
    assert page.all("section", id="sanity")
    assert not page.all("section", id="code")  # it has only forward
    assert "no command can repeat it" in page.all("section", id="settings")[0].text
    missing = reporting.report(run.path, out=tmp_path / "page.html").missing
    assert "your own module" in missing[0]


def test_a_failure_at_the_end_costs_the_page_alone(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run_data: object) -> str:
        raise KeyError("planted")

    monkeypatch.setattr(reporting, "_page", broken)
    with pytest.warns(
        RuntimeWarning, match=r"report\.html was not written; the rest of the run is complete. .*planted"
    ):
        run = isthmus.train(images, out=tmp_path / "a", **tiny.FAST)
    assert run.metrics["verdicts"]
    assert run.record["ended"] == "budget"
    assert (run.path / "sanity.png").is_file()
    assert not (run.path / "report.html").exists()


def test_a_full_disk_at_the_end_is_said_without_alarm(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, page: str, missing: tuple[str, ...], within: Path | None) -> None:
        raise ResourceError("RESOURCE-DISK", f"{path} cannot be written: No space left on device.")

    monkeypatch.setattr(reporting, "_write", full)
    isthmus.train(images, out=tmp_path / "a", **tiny.FAST | {"show": True})
    assert "note: report.html was not written" in capsys.readouterr().out


def test_several_runs_are_compared_beside_the_first(denoiser: Run, copy: Path) -> None:
    found = [reporting.report(copy, denoiser).path for _ in range(2)]
    assert found == [copy.parent / "comparison.html", copy.parent / "comparison-2.html"]


def test_interrupting_the_report_is_no_failure_of_it(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(run_data: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(reporting, "_page", interrupted)
    with pytest.raises(Interrupted):
        isthmus.train(images, out=tmp_path / "a", **tiny.FAST)

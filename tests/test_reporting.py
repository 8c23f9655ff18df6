"""Writing the page: at the end of a run, later, without the data, and when something goes wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import isthmus
import tiny
from isthmus import reporting
from isthmus.errors import UsageError
from isthmus.runs import Run

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
    with pytest.raises(UsageError, match=r"has no metrics\.json yet: it is not trained to its end"):
        reporting.report(copy)
    with pytest.raises(UsageError, match="no run is named"):
        reporting.report()

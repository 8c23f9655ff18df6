"""A trained run measured again, on its own test data and on other data."""

from __future__ import annotations

from pathlib import Path

import isthmus
import tiny
from isthmus.runs import Run


def test_the_cost_that_is_told_is_that_of_the_loaded_model(denoiser: Run, images: Path) -> None:
    best = min(validation for _, validation in tiny.costs_of(denoiser))
    assert denoiser.metrics["best_epoch"] == [v for _, v in tiny.costs_of(denoiser)].index(best) + 1
    again = isthmus.evaluate(denoiser.path)
    assert again["test"] == denoiser.metrics["test"]
    assert again["baselines"] == denoiser.metrics["baselines"]
    assert again["denoising"] == denoiser.metrics["denoising"]
    other = isthmus.evaluate(denoiser.path, images)
    assert other["data"]["n_test"] == 200

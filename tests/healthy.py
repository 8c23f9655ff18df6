"""The numbers of a healthy run, in which each test plants one fault, and the verdicts on it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import numpy as np

from isthmus.evaluation.verdicts.verdict_inputs import Facts
from isthmus.evaluation.verdicts.verdicts import Verdict, judge_all
from isthmus.settings import where_is

COMMANDS = ("isthmus train", "isthmus resume", "isthmus check")
OPTIONS = {
    "--config",
    "--recipe",
    "--noise",
    "--epochs",
    "--lr",
    "--z-size",
    "--set",
    "--label",
    "--shape",
    "--duplicates",
}
SEEDED = np.random.default_rng(0)


def metrics(**changes: Any) -> dict[str, Any]:
    """A healthy run's numbers; `test__mse=1.0` sets ["test"]["mse"] to 1.0, `baselines=None` removes the block."""
    found: dict[str, Any] = {
        "data": {"name": "digits", "n_train": 1600, "n_validation": 200, "n_test": 1000, "shape": [1, 28, 28]},
        "recipe": "modern",
        "z_size": 8,
        "mean_cost": 0.2625,
        "test": {"bce": 0.085, "bce_floor": 0.058, "mse": 0.0147, "psnr_db": 19.0, "ssim": 0.9},
        "baselines": {"mean": {"mse": 0.0673}, "pca": {"mse": 0.0174, "n_components": 8}},
    }
    for address, value in changes.items():
        *blocks, last = address.split("__")
        inner = found
        for block in blocks:
            inner = inner[block]
        inner[last] = value
    return found


def denoising(noisy: float, denoised: float | None, **filters: float | None) -> dict[str, Any]:
    blocks = {name: {"psnr_db": psnr, "ssim": 0.5, "settings": {}} for name, psnr in filters.items()}
    ours = {"psnr_db": denoised, "ssim": 0.8}
    return {"n": 300, "noisy": {"psnr_db": noisy, "ssim": 0.4}, "denoised": ours, "baselines": {**blocks, "n": 300}}


def history(validation: list[float], train: list[float] | None = None, lr: float = 3e-3) -> list[dict[str, Any]]:
    rows = zip(train or validation, validation, strict=True)
    return [
        {"epoch": i, "train_cost": t, "validation_cost": v, "lr": lr, "seconds": 1.0}
        for i, (t, v) in enumerate(rows, 1)
    ]


FALLING = history([0.058 + 0.1 * 0.9**i for i in range(20)])
HEALTHY = Facts(
    source="mnist-2k",
    recipe="modern",
    best_epoch=20,
    epochs=20,
    path="runs/a",
    augment="none",
    train_cost=0.0800,
    test_cost=0.0850,
    train_cost_sem=0.0003,
    test_cost_sem=0.0003,
    train_floor=0.058,
    code=1 / (1 + np.exp(-SEEDED.normal(size=(500, 8)))),
    signed_code=False,
    n_duplicates=0,
    n_overlap=0,
    n_out_of_range=0,
)


def verdict(
    id: str, *, of: dict[str, Any] | None = None, rows: list[dict[str, Any]] = FALLING, **facts: Any
) -> Verdict:
    """The verdict with this id for the healthy run with these changes."""
    found = {v.id: v for v in judge_all(of or metrics(), rows, replace(HEALTHY, **facts))}
    return found[id]


def ids(of: dict[str, Any], rows: list[dict[str, Any]] = FALLING, **facts: Any) -> list[str]:
    return [v.id for v in judge_all(of, rows, replace(HEALTHY, **facts))]


def assert_found(found: Verdict, level: str, *parts: str) -> None:
    """Asserts the level and the words, and that the suggestion is one command with options that exist."""
    assert found.level == level, found.text
    for part in parts:
        assert part in found.text
    assert found.text.endswith(".")
    if level == "pass":
        assert found.try_next is None
        return
    if found.text.endswith(" first."):  # it follows from another verdict, which has the suggestion
        assert found.try_next is None
        return
    assert found.try_next is not None
    words = shlex.split(found.try_next)
    assert " ".join(words[:2]) in COMMANDS
    assert {word for word in words if word.startswith("--")} <= OPTIONS
    for setting in (words[i + 1] for i, word in enumerate(words) if word == "--set"):
        assert where_is(setting.partition("=")[0])

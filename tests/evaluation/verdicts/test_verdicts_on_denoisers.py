"""A denoiser must beat the classical filters; one of tables, doing nothing and the best linear filter."""

from __future__ import annotations

from typing import Any

import pytest

from healthy import assert_found, denoising, ids, metrics, verdict
from isthmus.evaluation.verdicts.verdicts import headline


@pytest.mark.parametrize(
    ("ours", "level", "words"),
    [
        (17.1, "pass", ("better than non-local means: 17.10 dB against 15.00 dB, on 300 test images",)),
        (15.2, "warn", ("hardly better than non-local means",)),
        (14.9, "fail", ("no better than non-local means: 14.90 dB against 15.00 dB",)),
    ],
)
def test_denoiser_beats_filter(ours: float, level: str, words: tuple[str, ...]) -> None:
    block = denoising(9.4, ours, median=14.2, nlm=15.0, tv=12.4)
    assert_found(verdict("denoiser-beats-filter", of=metrics(denoising=block), noise="gaussian:0.5"), level, *words)


def test_a_denoiser_must_beat_doing_nothing_and_exact_images_are_compared_by_ssim() -> None:
    worse = metrics(denoising=denoising(25.0, 24.0, median=20.0))
    assert_found(verdict("denoiser-beats-filter", of=worse), "fail", "no better than leaving the noise in: 24.00 dB")
    exact = metrics(denoising=denoising(25.0, 27.0, median=None))  # null: an infinite mean
    assert_found(verdict("denoiser-beats-filter", of=exact), "pass", "0.80 SSIM against 0.50 SSIM")
    alone = metrics(denoising=denoising(25.0, 27.0))
    assert_found(verdict("denoiser-beats-filter", of=alone), "pass", "is better than leaving the noise in")
    broken = metrics(denoising=denoising(25.0, None, median=20.0))
    broken["denoising"]["denoised"]["ssim"] = None
    assert_found(verdict("denoiser-beats-filter", of=broken), "fail", "not finite")
    assert "denoiser-beats-filter" not in ids(metrics())


def by_error(noisy: float, denoised: float | None, **baselines: float) -> dict[str, Any]:
    """The block of a table's denoiser."""
    found = {name: {"mse": mse} for name, mse in baselines.items()}
    return {
        "noise": "gaussian:0.5",
        "n": 40,
        "noisy": {"mse": noisy},
        "denoised": {"mse": denoised},
        "baselines": found,
    }


@pytest.mark.parametrize(
    ("ours", "level", "text"),
    [
        (0.08, "pass", "is better than the best linear filter: mean squared error 0.08 against 0.1, on 40 test rows"),
        (0.089, "pass", "is better than the best linear filter"),  # 0.5 dB are a factor of 0.8913
        (0.095, "warn", "hardly better than the best linear filter, the best possible one for norm"),
        (0.105, "warn", "no better than the best linear filter"),
        (0.111, "fail", "worse than the best linear filter"),
        (None, "fail", "values that are not finite"),
    ],
)
def test_a_tables_denoiser_is_judged_by_its_error(ours: float | None, level: str, text: str) -> None:
    block = metrics(denoising=by_error(0.25, ours, linear=0.1, mean=0.9), data__shape=[6])
    assert_found(verdict("denoiser-beats-filter", of=block, noise="gaussian:0.5"), level, text)
    assert "beats-pca" not in ids(block, noise="gaussian:0.5")  # which sees the clean rows


def test_the_best_baseline_of_a_table_may_be_to_leave_it_alone() -> None:
    block = metrics(denoising=by_error(0.05, 0.2, linear=0.1, mean=0.9), data__shape=[6])
    found = verdict("denoiser-beats-filter", of=block, noise="gaussian:0.5")
    assert_found(found, "fail", "worse than leaving the noise in: mean squared error 0.2 against 0.05")


def test_the_headline_of_a_tables_denoiser_tells_of_its_noise() -> None:
    block = metrics(denoising=by_error(0.25, 0.08, linear=0.1, mean=0.9), data__shape=[6])
    expected = "the mean squared error of noisy test rows goes from 0.25 to 0.08, with the best linear filter to 0.1."
    assert headline([], block) == f"Good: {expected}"
    block["denoising"]["baselines"] = {}
    assert headline([], block) == "Good: the mean squared error of noisy test rows goes from 0.25 to 0.08."


@pytest.mark.parametrize(("mse", "level", "words"), [(0.0669, "warn", "hardly"), (0.0690, "fail", "no")])
def test_fault_a_denoiser_like_the_mean_image_beats_nothing(mse: float, level: str, words: str) -> None:
    # In noise of 25 on a scale of 0 to 1 the mean image had 11.9 dB, and the best filter 6.4 dB.
    of = metrics(denoising=denoising(3.3, 11.9, nlm=6.36), test__mse=mse)
    found = verdict("denoiser-beats-filter", of=of, noise="gaussian:25")
    told = f"better than non-local means, but {words} better than the mean image"
    assert_found(found, level, told, "11.90 dB against 6.36 dB")
    told = headline([found], of)
    assert "dB" not in told
    assert f"{words} better than the mean image" in told
    assert f"mean squared error {mse:.3g} against 0.0673." in told


def test_a_denoiser_whose_mean_baseline_is_not_known_is_measured_against_the_filters_alone() -> None:
    of = metrics(denoising=denoising(9.4, 17.1, median=14.2), baselines={})
    assert_found(verdict("denoiser-beats-filter", of=of, noise="gaussian:0.5"), "pass", "17.10 dB")
    assert headline([], of).startswith("Good: test images go from 9.4 dB to 17.1 dB")

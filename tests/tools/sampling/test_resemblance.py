from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from isthmus.api import Run
from isthmus.errors import DataError
from isthmus.tools.sampling.resemblance import CopyCheck, check_copies, resemblance
from isthmus.tools.sampling.sampling import draw_samples


def cloud(n: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 1, 2, 2)).astype(np.float32))


def test_distances_are_to_the_nearest_and_per_value() -> None:
    train, new = cloud(300, 0), cloud(40, 1)
    found = check_copies(new, train, cloud(100, 2))
    each = (new[:, None] - train[None]).flatten(2).double().square().mean(2).sqrt()
    np.testing.assert_allclose(found.distances, each.min(1).values, rtol=1e-5)
    np.testing.assert_array_equal(found.rows, each.argmin(1))


def test_honest_samples_are_no_copies() -> None:
    found = check_copies(cloud(500, 1), cloud(2_000, 0), cloud(500, 2))
    assert not found.suspicious
    assert found.text.startswith("No sign of copying: ")
    assert f"{found.n_near} of 500 new samples" in found.text


def test_fault_167_beside_a_test_set_unlike_training_no_copies_are_claimed() -> None:
    train, new = cloud(2_000, 0), cloud(500, 1)
    far = check_copies(new, train, cloud(500, 2) + 9)  # a rising series: the test lies beyond all of training
    assert far.suspicious
    unlike = replace(far, unlike=True)
    assert not unlike.suspicious
    assert not unlike.tellable
    assert unlike.text.startswith("The test data is unlike the training data")


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_copies_with_a_little_noise_are_seen(share: float) -> None:
    train, new = cloud(2_000, 0), cloud(500, 1)
    n = int(share * 500)
    new[:n] = train[100 : 100 + n] + 1e-3 * cloud(n, 3)
    found = check_copies(new, train, cloud(500, 2))
    assert found.suspicious
    assert found.n_near >= n
    assert found.text.startswith("Copies? ")


@pytest.mark.parametrize(("n_near", "suspicious"), [(5, False), (13, False), (14, True)])
def test_more_near_samples_than_one_set_in_a_thousand_has_are_suspicious(n_near: int, suspicious: bool) -> None:
    # P(X >= 13) = 0.002 and P(X >= 14) = 0.0006 for X of 500 at 1 %, which a million test samples tell all but exactly
    found = CopyCheck(np.zeros(500, int), np.ones(500), 0.5, 1.0, 1_000_000, n_near)
    assert found.suspicious is suspicious


@pytest.mark.parametrize("n_test", [10, 40, 500])
def test_a_limit_from_few_test_samples_accuses_no_more_honest_ones(n_test: int) -> None:
    rng = np.random.default_rng(0)  # distances of honest samples have the law of the test's: any law, so uniform
    limits = np.sort(rng.random((400, n_test)), axis=1)[:, max(1, round(n_test / 100)) - 1]
    near, times = np.unique(rng.binomial(500, limits), return_counts=True)
    told = [CopyCheck(np.zeros(500, int), np.ones(500), 0.5, 1.0, n_test, int(n)).suspicious for n in near]
    assert times[told].sum() <= 4  # 0.4 by its rule; 5 or more are seen with chance 6e-5


def test_the_share_that_chance_gives_is_told_for_the_test_samples_there_are() -> None:
    found = check_copies(cloud(500, 1), cloud(2_000, 0), cloud(10, 2))
    assert not found.suspicious
    assert (
        "closer to a training sample than 10 of 10 test samples are; about 45 would be expected by chance" in found.text
    )


def test_few_test_samples_cannot_clear_new_ones_of_being_copies() -> None:
    # 147 of 500 stay farther: of 4 test samples none lies nearer than 353 of 500 do with chance (1 - 0.7)^4 = 0.008
    found = CopyCheck(np.zeros(500, int), np.ones(500), 0.5, 1.0, 4, 353)
    assert not found.suspicious
    few = "Too few test samples (4) to tell whether samples are copies: 353 of 500 new samples are closer "
    assert found.text.startswith(few)
    assert "than 4 of 4 test samples are; about 100 would be expected by chance (" in found.text


@pytest.mark.parametrize(("n_test", "enough"), [(4, False), (20, False), (40, True), (149, True), (10_000, True)])
def test_test_samples_are_enough_where_a_fifth_of_copies_would_show(n_test: int, enough: bool) -> None:
    # a fifth and what chance adds, 0.2 + 0.8 / (m + 1), all farther than the nearest of m: 0.002 of 20, 0.00009 of 40
    assert CopyCheck(np.zeros(500, int), np.ones(500), 0.5, 1.0, n_test, 1).tellable is enough


def test_real_digits_resemble_real_digits_and_noise_does_not(digit_run: Run) -> None:
    run = digit_run
    splits = run.prepared.splits
    real = resemblance(run, splits.validation.x)
    assert real.fidelity.precision == pytest.approx(real.reference.precision, abs=0.12)  # 200 samples each
    assert real.fidelity.recall == pytest.approx(real.reference.recall, abs=0.12)
    assert not real.copies.suspicious
    assert "classifier trained on the real images" in real.features
    noise = np.random.default_rng(0).integers(256, size=(200, 1, 28, 28), dtype=np.uint8)
    assert resemblance(run, noise).fidelity.precision < 0.1
    copied = resemblance(run, splits.train.x[:200])
    assert copied.copies.suspicious
    assert copied.copies.rows.tolist() == list(range(200))
    drawn = resemblance(run, draw_samples(run, 200).x)
    assert drawn.fidelity.precision > 0.6
    about = drawn.as_dict()
    assert about["copies"]["suspicious"] is False
    assert about["precision"] == drawn.fidelity.precision
    assert f"Precision {drawn.fidelity.precision:.2f}, recall {drawn.fidelity.recall:.2f}" in drawn.text


def test_of_a_class_only_that_class_is_compared(digit_run: Run) -> None:
    run = digit_run
    train, test = run.prepared.splits.train, run.prepared.splits.test
    assert train.labels is not None
    assert test.labels is not None
    sevens = train.classes.index("7")
    found = resemblance(run, train.x[train.labels == sevens], of="7")
    assert found.fidelity.n == int((test.labels == sevens).sum())
    assert found.copies.distances.max() == 0


def test_without_labels_pixels_are_compared(denoiser: Run) -> None:
    found = resemblance(denoiser, denoiser.prepared.splits.test.x)
    assert found.features.startswith("pixels, because there are no labels")
    assert found.fidelity[:2] == (1.0, 1.0)
    with pytest.raises(DataError, match="more than 3 new and 3 test samples; found 3 and"):
        resemblance(denoiser, denoiser.prepared.splits.test.x[:3])

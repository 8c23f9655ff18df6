"""NeighborScore from errors and distances: against scikit-learn's neighbors and scipy's normal distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.neighbors import NearestNeighbors

from isthmus.api import Run
from isthmus.evaluation.metrics.neighbor_score import NeighborScore
from isthmus.runs.artifacts import Artifacts
from isthmus.runs.set_facts import set_facts


def test_nats_of_error_and_distance_to_the_fifth_training_code(digit_run: Run) -> None:
    raw = digit_run.prepared.splits.test.x[:50]
    scale = NeighborScore.of_run(digit_run, set_facts(digit_run.path), noisy=False)
    assert scale is not None
    x = torch.from_numpy(raw.astype(np.float32) / 255)
    found = scale.of(x)
    watched = Artifacts(digit_run.path).get("anomaly").arrays["watched"]
    x_hat = digit_run.model.x_hat(x).detach().numpy()
    log_error = np.log(np.square(x_hat - x.numpy(), dtype=np.float64).mean((1, 2, 3)))
    error = -norm.logsf((log_error - watched.mean()) / watched.std())
    latent = digit_run.latent
    near = NearestNeighbors(n_neighbors=5).fit(latent.codes / latent.std)
    distance = near.kneighbors(digit_run.model.encode(raw) / latent.std)[0][:, -1]
    # torch takes distances from products in float32: three digits of them
    np.testing.assert_allclose(found, error + 12 * np.log(distance), atol=0.05)


def test_normal_samples_lie_as_those_that_calibrate(digit_run: Run) -> None:
    scale = NeighborScore.of_run(digit_run, set_facts(digit_run.path), noisy=False)
    assert scale is not None
    x = torch.from_numpy(digit_run.prepared.splits.test.x.astype(np.float32) / 255)
    share = float((scale.of(x) > np.median(scale.calibration)).mean())
    assert share == pytest.approx(0.5, abs=0.19)  # three standard errors: 100 calibrate, 200 are tested


def test_noisy_samples_need_a_denoiser(digit_run: Run) -> None:
    assert NeighborScore.of_run(digit_run, set_facts(digit_run.path), noisy=True) is None

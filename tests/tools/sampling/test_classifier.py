from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from isthmus.api import Run
from isthmus.data.samples import Samples
from isthmus.errors import DataError, ModelFileError
from isthmus.runs.artifacts import Artifacts
from isthmus.tools.sampling import classifier
from isthmus.tools.sampling.classifier import N_FEATURES, Classifier, classifier_of, train_classifier


def two_bars(n: int = 200) -> Samples:
    """Images with a bright left or right half: every sensible classifier tells them apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    x = rng.integers(0, 60, (n, 1, 8, 8)).astype(np.uint8)
    x[labels == 0, :, :, :4] += 150
    x[labels == 1, :, :, 4:] += 150
    return Samples(x, "bars", labels=labels, classes=("left", "right"))


def test_classes_that_can_be_told_apart_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "STEPS", 60)
    ready = tiny.prepared(two_bars())
    with tiny.assert_global_generator_untouched():
        found = train_classifier(ready)
    assert (found.accuracy, found.n_test, found.classes) == (1.0, 20, ("left", "right"))
    test = ready.x(ready.splits.test)
    assert found.predict(test).tolist() == ready.splits.test.labels.tolist()  # type: ignore[union-attr]
    assert found.features(test).shape == (20, N_FEATURES)
    last = found.network[-1](found.features(test))
    torch.testing.assert_close(last, found.logits(test))


@pytest.mark.parametrize(
    ("shape", "side", "n_values"),
    [
        ((1, 28, 28), 1, 784),
        ((1, 64, 64), 1, 4_096),
        ((3, 32, 32), 1, 3_072),
        ((1, 65, 64), 2, 33 * 32),
        ((1, 128, 128), 2, 4_096),
        ((3, 256, 255), 7, 3 * 37 * 37),
        ((9_000,), 1, 9_000),
    ],
)
def test_large_images_are_averaged_over_squares(shape: tuple[int, ...], side: int, n_values: int) -> None:
    assert classifier.pooled(shape) == side
    network = classifier._network(shape, 2)
    x = torch.rand((2, *shape), generator=torch.Generator().manual_seed(0))
    flat = network[0](x)
    assert flat.shape == (2, n_values)
    torch.testing.assert_close(flat[:, 0], x.flatten(1)[:, 0] if side == 1 else x[:, 0, :side, :side].mean((1, 2)))
    assert network[1].in_features == n_values  # type: ignore[union-attr]


def test_real_digits_and_what_is_kept_is_what_was_trained(digit_run: Run, tmp_path: Path) -> None:
    first = classifier_of(digit_run)
    run = Run(shutil.copytree(digit_run.path, tmp_path / "run"))
    assert first.accuracy > 0.85  # 1,600 digits of training; guessing gives 0.1
    (run.path / "config.toml").unlink()  # so that nothing could be trained again
    again = classifier_of(Run(run.path))
    assert isinstance(again, Classifier)
    tiny.assert_equal_weights(again.network.state_dict(), first.network.state_dict())
    assert (again.accuracy, again.classes, again.n_test) == (first.accuracy, first.classes, 200)
    Artifacts(run.path).put("classifier", {"classes": ["a"], "accuracy": 1, "n_test": 1}, {"x": np.zeros(1)})
    with pytest.raises(ModelFileError, match="classifier cannot be used"):
        classifier_of(run)


def test_without_two_classes_there_is_nothing_to_learn() -> None:
    with pytest.raises(DataError, match="has no labels with at least two classes"):
        train_classifier(tiny.prepared(tiny.table()))

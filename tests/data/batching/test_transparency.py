"""Pixels that nobody sees weigh nothing: in the network's input, the cost, the metrics, and beside rivals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import isthmus
from isthmus.config import DataConfig, ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.images.channels import with_opacity
from isthmus.data.images.transforms import conform
from isthmus.data.samples import Samples
from isthmus.evaluation.figures.data_pictures import as_pictures, laid_on_board
from isthmus.evaluation.metrics import baselines
from isthmus.evaluation.metrics.forward_pass import pass_through
from isthmus.models.autoencoder import Model
from isthmus.models.building import build_model

RNG = np.random.default_rng(0)
KNOWN = Preprocess((4, 8, 8), "uint8", range=(0.0, 1.0), alpha=True)


def sprites(n: int = 40, garbage: int = 0) -> np.ndarray:
    """Squares of one color on nothing; what stands where nobody looks differs by `garbage`."""
    x = np.random.default_rng(garbage).integers(0, 256, (n, 4, 8, 8), dtype=np.uint8)
    x[:, 3] = 0
    for i in range(n):
        top, left = i % 5, i // 5 % 5
        x[i, :, top : top + 4, left : left + 4] = np.array([40 * (i % 6), 120, 200, 255], np.uint8)[:, None, None]
    return x


def model_of(preprocess: Preprocess) -> Model:
    config = ModelConfig(z_size=6, hidden=(32,), likelihood="gaussian", network="mlp")
    made = build_model(config, preprocess)
    assert isinstance(made, Model)
    return made.initialize(torch.Generator().manual_seed(0))


def test_fault_128_what_stands_in_invisible_pixels_changes_nothing() -> None:
    first, second = (KNOWN.to_x(torch.from_numpy(sprites(garbage=seed))) for seed in (1, 2))
    assert torch.equal(first, second)
    model = model_of(KNOWN)
    found = [pass_through(model, torch.from_numpy(sprites(garbage=seed)), 0, judged=True) for seed in (1, 2)]
    assert torch.equal(found[0].errors, found[1].errors)
    assert torch.equal(found[0].costs, found[1].costs)


@pytest.mark.parametrize("ends", [None, (100.0, 1100.0)])
def test_cost_and_error_are_means_over_what_is_seen(ends: tuple[float, float] | None) -> None:
    raw, full, known = sprites(garbage=3), 255.0, KNOWN
    if ends is not None:  # a range in use that does not begin at 0: no opacity is then below black
        raw = (raw / 255 * 65535).astype(np.uint16)
        full = 1000.0
        known = Preprocess(
            (4, 8, 8), "uint16", offset=(100.0,) * 4, scale=(1e-3,) * 4, range=(0.0, 1.0), clips=False, alpha=True
        )
    seen = np.broadcast_to(raw[:, 3:] > 0, raw.shape).copy()
    seen[:, 3] = True
    model, shift = model_of(known), 0.0 if ends is None else ends[0]
    passed = pass_through(model, known.to_x(torch.from_numpy(raw)) if ends else torch.from_numpy(raw), 0)
    truth = np.where(seen, (raw - shift) / full, 0.0)
    with torch.no_grad():
        x_hat = model.x_hat(torch.from_numpy(truth).float()).numpy()
    squares = (x_hat - truth) ** 2
    expected = [squares[i][seen[i]].mean() for i in range(len(raw))]
    np.testing.assert_allclose(passed.errors, expected, rtol=2e-4)  # float32
    np.testing.assert_allclose(passed.costs, expected, rtol=2e-4)


def test_rivals_are_measured_on_what_is_seen() -> None:
    x = KNOWN.to_x(torch.from_numpy(sprites()))
    seen = np.broadcast_to(sprites()[:, 3:] > 0, x.shape).copy()
    seen[:, 3] = True
    rivals = baselines.fit_rivals(x, 3)
    expected = np.mean([((x[i] - rivals.mean.reshape(4, 8, 8)) ** 2).numpy()[seen[i]].mean() for i in range(len(x))])
    assert baselines.mean_image(rivals, [x], KNOWN.weights)["mse"] == pytest.approx(expected, rel=1e-4)


def test_it_is_kept_with_the_model_and_unknown_to_those_of_before() -> None:
    assert Preprocess.from_dict(KNOWN.as_dict()) == KNOWN
    assert "alpha" not in Preprocess((3, 8, 8), "uint8").as_dict()
    with pytest.raises(ValueError, match="cannot have transparency"):
        Preprocess.from_dict({"shape": [1, 8, 8], "dtype": "uint8", "alpha": True})


def test_only_who_says_so_has_transparency() -> None:
    arrays = [conform(Samples(sprites(4), "x"), DataConfig(alpha=alpha)) for alpha in ("auto", "keep")]  # type: ignore[arg-type]
    assert [samples.alpha for samples in arrays] == [False, True]
    assert [fit_preprocess(samples, "auto").alpha for samples in arrays] == [False, True]


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_images_without_transparency_are_opaque(dtype: type, full: float) -> None:
    x = (RNG.random((3, 3, 8, 8)) * full).astype(dtype)
    added = with_opacity(Samples(x, "x"))
    assert added.alpha
    assert np.array_equal(added.x[:, :3], x)
    assert (added.x[:, 3] == full).all()
    assert "without transparency" in added.notes[0]


@pytest.mark.parametrize("axis", [1, 3])
def test_a_model_takes_images_without_it_and_gives_them_back_so(axis: int) -> None:
    model, x = model_of(KNOWN), RNG.integers(0, 256, (2, 3, 8, 8), dtype=np.uint8)
    opaque = np.concatenate([x, np.full_like(x[:, :1], 255)], axis=1)
    given = x if axis == 1 else x.transpose(0, 2, 3, 1)
    found = model.reconstruct(given)
    assert found.shape == given.shape
    assert np.array_equal(found if axis == 1 else found.transpose(0, 3, 1, 2), model.reconstruct(opaque)[:, :3])


def test_fault_128_transparency_is_drawn_on_a_checkerboard_and_a_fourth_band_is_not() -> None:
    x = np.zeros((1, 4, 16, 16), np.float32)
    x[0, :3, :8], x[0, 3, :8] = 0.5, 1.0
    board = laid_on_board(x)
    assert (board[0, :, :8] == 0.5).all()
    np.testing.assert_allclose(np.unique(board[0, :, 8:]), [0.86, 1.0], rtol=1e-6)
    known: dict[str, Any] = {"shape": (4, 16, 16), "dtype": "float32", "range": (0.0, 1.0)}
    assert np.array_equal(as_pictures(x, of=Preprocess(**known, alpha=True)), board)
    assert np.array_equal(as_pictures(x, of=Preprocess(**known)), x)


def test_pictures_of_a_known_range_are_not_stretched() -> None:
    x, known = np.array([[[[-0.5, 0.5, 1.5]]]], np.float32), Preprocess((1, 1, 3), "uint16", range=(0.0, 1.0))
    assert as_pictures(x + 0.25, of=known).ravel().tolist() == [0, 0.75, 1]
    assert as_pictures(x + 0.25).ravel().tolist() == [0, 0.5, 1]


def test_fault_128_sprites_train_and_come_back_with_their_transparency(tmp_path: Any) -> None:
    run = isthmus.train(sprites(60), alpha="keep", epochs=1, z_size=4, out=tmp_path / "run", show=False)
    assert run.model.preprocess.alpha
    assert run.metrics["baselines"]["pca"]["mse"] < 0.2

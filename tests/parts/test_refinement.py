from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

import isthmus
import tiny
from contract import assert_gradient_everywhere, drawn, redraw
from isthmus.models.autoencoder import Model
from isthmus.parts.blocks import Sizes
from isthmus.parts.networks import network, usual_widths
from isthmus.parts.refinement import FINEST_GRID, Coarse, CodeBeside, Fine, RefinedPicture, coarse_shape, step_of
from isthmus.parts.shortcuts import LinearCode, has_shortcut, start_linear
from isthmus.training import prepare

BESIDE = "conv,shortcut=true"


def waves(n: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Bytes (n, *shape) of 16 smooth waves per channel, which a few components can represent."""
    C, H, W = shape
    y, x = np.mgrid[:H, :W]
    patterns = np.stack([np.cos(np.pi * (a * y / H + b * x / W)) for a in range(4) for b in range(4)])
    weights = np.random.default_rng(seed).normal(size=(n, C, len(patterns))) * 20 / (1 + np.arange(len(patterns)))
    return (128 + np.einsum("ncw,whv->nchv", weights, patterns)).round().clip(0, 255).astype(np.uint8)


def pair_for(shape: tuple[int, ...], z_size: int = 5) -> tuple[nn.Module, nn.Module]:
    sizes = Sizes(shape, z_size, z_size, shape[0])
    return network(BESIDE, sizes, hidden=[4], activation="silu", dropout=0.0)


def test_a_training_starts_at_what_components_make_of_new_images() -> None:
    x, new = waves(200, (3, 32, 32), seed=0), waves(50, (3, 32, 32), seed=1)
    prepared = tiny.prepared(x, network=BESIDE, z_size=8, epochs=1, device="cpu", likelihood="gaussian")
    model = prepare.fresh_model(prepared)
    assert isinstance(model, Model)
    train = prepared.splits.train.x
    known = PCA(8, svd_solver="full").fit(train.reshape(len(train), -1) / 255.0)
    rows = new.reshape(50, -1) / 255.0
    expected = known.inverse_transform(known.transform(rows)).reshape(new.shape)
    with torch.no_grad():
        found = model.x_hat(torch.from_numpy(new) / 255.0).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)  # three power iterations change the last directions little
    np.testing.assert_allclose(model.encode(train).std(0), 1, atol=0.02)


def test_another_likelihood_starts_as_drawn_at_the_mean_image() -> None:
    x = waves(60, (3, 32, 32), seed=4)
    prepared = tiny.prepared(x, network=BESIDE, z_size=4, epochs=1, device="cpu", likelihood="bernoulli")
    model = prepare.fresh_model(prepared)
    assert isinstance(model, Model)
    path = next(m.shortcut for m in model.decoder.modules() if isinstance(m, RefinedPicture))
    assert not path.weight.any()
    torch.testing.assert_close(torch.sigmoid(path.bias), prepared.mean.flatten(), atol=1e-5, rtol=0)


def test_numbers_of_large_components_move_less() -> None:
    encoder, decoder = pair_for((1, 16, 16), z_size=3)
    directions = torch.linalg.qr(torch.randn(256, 2, generator=torch.Generator().manual_seed(0)))[0]
    start_linear(encoder, decoder, LinearCode(torch.zeros(256), directions, torch.tensor([8.0, 2.0])))
    part = next(m for m in encoder.modules() if isinstance(m, CodeBeside))
    assert part.scale.tolist() == [0.25, 1.0, 1.0]
    assert not part.shortcut.weight[2].any()


@pytest.mark.parametrize("shape", [(3, 64, 40), (1, 33, 17), (2, 16, 31)])
def test_gradient_reaches_all_that_learns(shape: tuple[int, ...]) -> None:
    encoder, decoder = (redraw(side) for side in pair_for(shape))
    x = drawn(2, *shape)
    assert has_shortcut(encoder)
    x_hat = decoder(encoder(x))
    assert x_hat.shape == x.shape
    named = [*encoder.named_parameters(), *((f"decoder {name}", p) for name, p in decoder.named_parameters())]
    assert_gradient_everywhere((x_hat - x).square().sum(), named)


@pytest.mark.parametrize("shape", [(3, 130, 40), (1, 64, 64), (2, 200, 48), (3, 256, 255)])
def test_components_of_large_images_lie_on_a_coarser_grid(shape: tuple[int, ...]) -> None:
    step, smooth = step_of(shape), torch.from_numpy(waves(3, shape, seed=5)) / 255.0
    coarse = Coarse(step)(smooth)
    assert coarse.shape[1:] == coarse_shape(shape)
    assert max(coarse.shape[2:]) <= FINEST_GRID
    back = Fine(step, (shape[1], shape[2]))(coarse)
    assert back.shape == smooth.shape
    # Values between two means are off by less than a hundredth of the range, except at the border.
    inside = (slice(None), slice(None), slice(2 * step, -2 * step or None), slice(2 * step, -2 * step or None))
    assert float((back - smooth)[inside].square().mean()) < 0.01 * float(smooth.var())
    assert usual_widths(BESIDE, shape) == usual_widths("conv", coarse.shape[1:])


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 45, 37), (2, 20, 31)])
def test_a_picture_of_one_color_gets_no_frame(shape: tuple[int, ...]) -> None:
    """With any kernels, all blocks of a constant picture are refined equally, up to the border."""
    part = RefinedPicture(coarse_shape(shape), 3, 6, "silu", 0.0)
    redraw(part)
    nn.init.zeros_(part.spread.weight)
    nn.init.zeros_(part.spread.bias)
    part.shortcut.weight.zero_()
    nn.init.constant_(part.shortcut.bias, 0.3)
    with torch.no_grad():
        found = part(drawn(1, 3))
    s = part.side
    tiles = -(-shape[1] // s), -(-shape[2] // s)
    torch.testing.assert_close(found, found[..., :s, :s].repeat(1, 1, *tiles)[..., : shape[1], : shape[2]])


def test_what_no_component_holds_is_learned_and_kept(tmp_path: Path) -> None:
    """Edges at places that components cannot represent: a few steps are better than components, and load unchanged."""
    rng = np.random.default_rng(2)
    x = np.where((waves(300, (3, 32, 32), seed=3) > 128) ^ (rng.random((300, 1, 1, 1)) < 0.5), 200, 60).astype(np.uint8)
    run = isthmus.train(x, z_size=12, steps=60, threads=1, show=False, out=tmp_path / "run")
    assert run.config.model.network == BESIDE
    assert run.metrics["test"]["mse"] < 0.99 * run.metrics["baselines"]["pca"]["mse"]
    again = isthmus.load(tmp_path / "run")
    np.testing.assert_array_equal(again.reconstruct(x[:9]), run.model.reconstruct(x[:9]))

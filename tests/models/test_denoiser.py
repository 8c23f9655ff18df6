"""A network without a code: layouts, strengths, files, and the linear case, which is the Wiener filter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import tiny
from contract import drawn, redraw, seeded
from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import DataError, UsageError
from isthmus.models.autoencoder import Model, coded
from isthmus.models.building import build_model
from isthmus.models.costs import objective
from isthmus.models.denoiser import Denoiser
from isthmus.models.loading import load_model
from isthmus.models.tiling import Tiling, tiled

PHOTO = ModelConfig(network="unet", hidden=(4, 6, 8), noise="gaussian:0-0.2,clip=false", likelihood="gaussian")


def denoiser(C: int = 1, dtype: str = "uint8") -> Denoiser:
    model = build_model(PHOTO, Preprocess((C, 16, 16), dtype, range=(0.0, 1.0)))
    assert isinstance(model, Denoiser)
    redraw(model, 1)
    with torch.no_grad():  # a slight change of the image, so that nothing is cut off at white or black
        model.network.tail.weight.mul_(1e-4)
    return model


@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_every_layout_and_type_comes_back_as_it_was_given(C: int, dtype: str) -> None:
    model, full = denoiser(C), {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    planes = (np.random.default_rng(0).random((2, C, 21, 30)) * 0.5 + 0.25) * full
    planes = planes.astype(dtype)
    whole = model.denoise(planes)
    assert (whole.shape, whole.dtype) == (planes.shape, planes.dtype)
    assert not np.array_equal(whole, planes)
    last = planes.transpose(0, 2, 3, 1)
    assert np.array_equal(model.denoise(last), whole.transpose(0, 2, 3, 1))
    one = last[0] if C == 3 else planes[0, 0]
    expected = whole[0].transpose(1, 2, 0) if C == 3 else whole[0, 0]
    assert np.array_equal(model.denoise(one), expected)
    if dtype != "uint16":
        tensor = model.denoise(torch.from_numpy(one))
        assert isinstance(tensor, torch.Tensor)
        assert np.array_equal(tensor.numpy(), expected)


def test_a_gray_network_cleans_each_channel_and_a_color_one_takes_gray_images() -> None:
    gray, color = denoiser(1), denoiser(3)
    x = (np.random.default_rng(0).random((19, 23, 3)) * 128 + 64).astype(np.uint8)
    found = gray.denoise(x)
    assert all(np.array_equal(found[..., c], gray.denoise(x[..., c])) for c in range(3))
    assert color.denoise(x[..., 0]).shape == (19, 23)


def test_the_strength_blends() -> None:
    model, x = denoiser(), drawn(1, 1, 20, 20).numpy() / 2 + 0.25
    assert np.array_equal(model.denoise(x, strength=0.0), x)
    half = model.denoise(x, strength=0.5)
    assert half == pytest.approx((x + model.denoise(x)) / 2, abs=1e-6)
    with pytest.raises(UsageError, match=r"strength is 1\.5"):
        model.denoise(x, strength=1.5)


@pytest.mark.parametrize("given", [np.zeros(4), np.zeros((2, 5, 9, 9)), np.zeros((1, 1, 1, 1, 1))])
def test_what_is_no_image_is_refused_with_the_layouts(given: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"the denoiser takes images of 3 channels: \(H, W, 3\)"):
        denoiser(3).denoise(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("photo.png", "the input is of type str, and does not contain only real numbers"),
        (np.array([[None, 1.0]], dtype=object), "the input is of type ndarray, and does not contain only real numbers"),
        ([[[0.1]], [[0.1, 0.2]]], "the input contains images of several sizes"),
        (np.zeros((0, 0)), r"the input has shape \(0, 0\), so its images have no pixels"),
        (np.zeros((2, 1, 0, 8)), r"the input has shape \(2, 1, 0, 8\), so its images have no pixels"),
    ],
)
def test_what_holds_no_pixels_is_refused_in_words(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        denoiser().denoise(given)


def test_one_channel_is_said_in_the_singular() -> None:
    with pytest.raises(DataError, match=r"takes images of 1 channel: \(H, W\)"):
        denoiser().denoise(np.zeros(4))


def test_it_has_no_code_and_says_what_works_instead() -> None:
    model = denoiser()
    assert not hasattr(model, "encode")
    assert not model.has_code
    with pytest.raises(UsageError, match="has no code") as caught:
        coded(model)
    assert "isthmus denoise" in str(caught.value.fix)
    assert isinstance(build_model(ModelConfig(network="mlp", likelihood="bernoulli"), model.preprocess), Model)


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"likelihood": "bernoulli"}, "returns images"), ({"terms": "mmd"}, "needs a code")],
)
def test_parts_that_need_something_else_are_refused(setting: dict[str, str], message: str) -> None:
    from dataclasses import replace

    with pytest.raises(UsageError, match=message):
        build_model(replace(PHOTO, **setting), Preprocess((1, 16, 16), "uint8", range=(0.0, 1.0)))


def test_a_saved_denoiser_is_loaded_as_one(tmp_path: Path) -> None:
    model = denoiser(3)
    loaded = load_model(model.save(tmp_path / "model"))
    assert isinstance(loaded, Denoiser)
    tiny.assert_equal_weights(tiny.weights(loaded), tiny.weights(model))
    x = (np.random.default_rng(0).random((33, 47, 3)) * 255).astype(np.uint8)
    assert np.array_equal(loaded.denoise(x), model.denoise(x))
    assert sorted(path.suffix for path in (tmp_path / "model").iterdir()) == [".json", ".json", ".safetensors"]


def test_the_seed_alone_decides_its_first_weights_under_which_images_come_back() -> None:
    one, same, other = (denoiser().initialize(seeded(seed)) for seed in (0, 0, 1))
    tiny.assert_equal_weights(tiny.weights(one), tiny.weights(same))
    assert not torch.equal(one.network.head.weight, other.network.head.weight)
    x = np.random.default_rng(0).integers(0, 256, (18, 25), dtype=np.uint8)
    assert np.array_equal(one.denoise(x), x)


def test_a_linear_one_learns_the_wiener_filter() -> None:
    """A moving average of white noise with white noise added: the best 5 x 5 window solves (R_x + s^2 I) w = r_x."""
    kernel, sigma, reach = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]) / 6, 0.5, 2
    white = torch.randn(32, 1, 66, 66, generator=seeded(0))
    x = torch.nn.functional.conv2d(white, kernel[None, None])  # (32, 1, 64, 64) of variance 1
    model = denoiser()
    model.preprocess = Preprocess((1, 64, 64), "float32")
    model.network = window = nn.Conv2d(1, 1, 2 * reach + 1, padding=reach, bias=False)  # type: ignore[assignment]
    x_in = x + sigma * torch.randn(x.shape, generator=seeded(1))
    optimizer = torch.optim.LBFGS(window.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        from isthmus.parts.corruptions import Pair

        optimizer.zero_grad()
        inner = (..., slice(reach, -reach), slice(reach, -reach))
        output = model(x_in)
        cost = objective(model, Pair(x_in[inner], x[inner]), output._replace(params=output.params[inner]), {})
        cost.backward()
        return cost

    optimizer.step(closure)
    places = [(i, j) for i in range(-reach, reach + 1) for j in range(-reach, reach + 1)]
    one = np.convolve([1, 2, 1], [1, 2, 1])  # of lags -2 to 2; times itself over 36: the covariance

    def covariance(a: tuple[int, int], b: tuple[int, int]) -> float:
        lags = [abs(p - q) for p, q in zip(a, b, strict=True)]
        return 0.0 if max(lags) > 2 else float(np.prod([one[2 + lag] for lag in lags]) / 36)

    R = np.array([[covariance(a, b) for b in places] for a in places])
    r = np.array([covariance(a, (0, 0)) for a in places])
    best = np.linalg.solve(R + sigma**2 * np.eye(len(places)), r).reshape(2 * reach + 1, -1)
    assert window.weight.detach()[0, 0].numpy() == pytest.approx(best, abs=0.01)


def test_one_that_learned_from_pixels_apart_works_on_the_images_that_they_make() -> None:
    config = replace(PHOTO, noise="unknown:2")
    model = build_model(config, Preprocess((1, 16, 16), "uint8", range=(0.0, 1.0)))
    assert isinstance(model, Denoiser)
    redraw(model, 1)
    with torch.no_grad():
        model.network.tail.weight.mul_(1e-4)
    x = drawn(1, 1, 37, 30)
    whole = model(x).params
    assert whole.shape == x.shape
    padded = torch.cat([x, x[:, :, -2:-1]], dim=2)  # an odd side is mirrored
    for p in range(2):
        for q in range(2):
            part = model.network(padded[:, :, p::2, q::2])
            rows = len(range(p, 37, 2))
            assert torch.allclose(whole[:, :, p::2, q::2], part[:, :, :rows], atol=1e-4)  # sums of float32


def test_tiles_of_such_a_one_join_without_a_seam() -> None:
    config = replace(PHOTO, noise="unknown:2", hidden=(4, 6))
    model = build_model(config, Preprocess((1, 16, 16), "uint8", range=(0.0, 1.0)))
    assert isinstance(model, Denoiser)
    redraw(model, 1)
    with torch.no_grad():
        model.network.tail.weight.mul_(1e-4)
    x = drawn(1, 1, 150, 40)
    halo, stride = 2 * model.network.halo, 2 * model.network.stride
    pieces = tiled(lambda tile: model(tile).params, x, Tiling(halo, stride, 64))
    assert torch.allclose(pieces, model(x).params, rtol=1e-4, atol=1e-4)  # sums of float32 in another order

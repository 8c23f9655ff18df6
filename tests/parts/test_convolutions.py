from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate2d
from torch import nn

import tiny
from contract import assert_close, assert_gradient_everywhere, drawn, example, redraw
from isthmus.errors import DataError
from isthmus.evaluation.figures.layers import layers_of
from isthmus.models.autoencoder import Model
from isthmus.models.costs import objective, penalty_weights
from isthmus.models.loading import load_model
from isthmus.parts.blocks import Sizes
from isthmus.parts.bottlenecks import BOTTLENECKS
from isthmus.parts.convolutions import (
    LARGEST,
    SMALLEST,
    ChannelsLast,
    Crop,
    Upsample,
    check_sides,
    conv,
    grids_of,
    stage_widths,
)
from isthmus.parts.corruptions import Pair
from isthmus.parts.likelihoods import LIKELIHOODS
from isthmus.training import prepare
from isthmus.training.step_context import autocast

sides = st.integers(SMALLEST, LARGEST)


def pair_for(shape: tuple[int, ...], hidden: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    sizes = Sizes(shape, width_code=6, z_size=3, channels_out=shape[0])
    return conv(sizes, hidden, "linear")


def test_a_stage_correlates_every_second_pixel_with_its_kernels() -> None:
    encoder = redraw(pair_for((2, 17, 16), (4,))[0])
    x = drawn(1, 2, 17, 16)
    kernels, bias = (p.detach().double().numpy() for p in encoder[1].parameters())
    expected = [
        sum(correlate2d(x[0, c].double().numpy(), kernels[k, c], "same")[::2, ::2] for c in range(2)) + bias[k]
        for k in range(4)
    ]
    found = encoder[1](encoder[0](x)).detach()[0]
    assert found.shape == (4, 9, 8)
    assert found.numpy() == pytest.approx(np.stack(expected), abs=1e-5)  # float32 sums of 18 products


@given(sides, sides)
def test_the_usual_stages_end_at_sides_of_at_most_eight(H: int, W: int) -> None:
    widths = stage_widths((1, H, W))
    last = grids_of((H, W), len(widths))[-1]
    assert max(last) <= 8
    assert len(widths) == 1 or max(grids_of((H, W), len(widths) - 1)[-1]) > 8
    assert widths == tuple(min(16 * 2**i, 128) for i in range(len(widths)))


@given(sides, st.integers(0, 9))
def test_sides_are_halved_and_rounded_up_until_they_are_at_most_four(side: int, stages: int) -> None:
    grids = [H for H, _ in grids_of((side, 16), stages)]
    assert len(grids) == stages + 1
    for k, found in enumerate(grids):
        halvings = min(k, math.ceil(math.log2(side / 4)))
        assert found == math.ceil(side / 2**halvings)


@pytest.mark.parametrize("shape", [(1, 16, 17), (3, 31, 19), (2, 251, 187), (4, 16, 256), (1, 255, 254)])
def test_fault_40_sides_that_no_stride_divides_come_back_whole(shape: tuple[int, int, int]) -> None:
    encoder, decoder = (redraw(part) for part in pair_for(shape, (5,) * len(stage_widths(shape))))
    with torch.no_grad():
        h, params = encoder(drawn(2, *shape)), decoder(drawn(2, 3))
    assert h.shape == (2, 6)
    assert params.shape == (2, *shape)
    assert bool((params.std(0) > 0).all()), "a pixel does not depend on the code: the crop took padding along"


def test_the_decoder_passes_through_the_grids_of_the_encoder() -> None:
    def grids(part: nn.Module, x: torch.Tensor) -> list[tuple[int, ...]]:
        found = []
        for layer in part.children():
            x = layer(x)
            found += [tuple(x.shape[2:])] if isinstance(layer, nn.Conv2d | nn.Unflatten | Upsample) else []
        return found

    encoder, decoder = pair_for((1, 51, 33), (4, 4, 4))
    assert grids(encoder, drawn(1, 1, 51, 33)) == [(26, 17), (13, 9), (7, 5)]
    assert grids(decoder, drawn(1, 3)) == [(7, 5), (13, 9), (26, 17), (51, 33)]


def test_a_picture_of_one_color_has_no_frame() -> None:
    part = redraw(Upsample(3, 2, (5, 7), (9, 14)))
    flat = drawn(1, 3, 1, 1).expand(1, 3, 5, 7)
    found = part(flat).detach()
    assert found.shape == (1, 2, 9, 14)
    # The four kinds of pixel under a stride of 2 may differ, but each is the same from border to border.
    assert_close(found, found[..., 2:4, 2:4].repeat(1, 1, 5, 7)[..., :9, :])


def test_the_order_in_memory_changes_no_value() -> None:
    x = drawn(2, 3, 5, 4)
    assert torch.equal(ChannelsLast()(x), x)
    assert ChannelsLast()(x).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(Crop((3, 2))(x), x[:, :, :3, :2])


@pytest.mark.parametrize(
    ("shape", "fix"),
    [
        ((3, 300, 200), "pass --resize 256x171"),
        ((1, 15, 32), "pass --resize 16x34"),
        ((1, 4_000, 3_000), "pass --resize 256x192"),
        ((1, 10, 900), "pass --resize 16x256, which changes their proportions"),
    ],
)
def test_sides_out_of_bounds_are_refused_with_a_size_that_does(shape: tuple[int, int, int], fix: str) -> None:
    with pytest.raises(DataError, match=f"of 16 to 256 pixels, but these are {shape[1]}x{shape[2]}") as caught:
        conv(Sizes(shape, 2, 2, 1), (4,), "relu")
    assert (caught.value.fix, caught.value.exit_code) == (fix, 3)
    if "resize" in fix:
        H, W = map(int, fix.split(",")[0].rpartition(" ")[2].split("x"))
        check_sides((shape[0], H, W))
        assert "changes" in fix or pytest.approx(shape[1] / shape[2], rel=0.03) == H / W  # a pixel of 16


PARTS = list(
    itertools.product(
        [example(name, factory) for name, factory in BOTTLENECKS.items()],
        [example(name, factory) for name, factory in LIKELIHOODS.items()],
    )
)


@pytest.mark.parametrize(("bottleneck", "likelihood"), PARTS)
def test_every_bottleneck_and_likelihood_trains_it_in_bfloat16(bottleneck: str, likelihood: str) -> None:
    ready = tiny.prepared(np.zeros((20, 3, 17, 16), np.uint8), network="conv", hidden=[6, 5], epochs=1)
    config = replace(ready.config.model, bottleneck=bottleneck, likelihood=likelihood)
    model = Model(config, ready.preprocess).initialize(torch.Generator().manual_seed(0), drawn(3, 17, 16))
    x = drawn(4, 3, 17, 16)
    with autocast(replace(ready.config.training, precision="bfloat16"), torch.device("cpu")):
        output = model(x, sample=True, generator=torch.Generator().manual_seed(1))
    cost = objective(model, Pair(x, x), output, penalty_weights(model))
    assert_gradient_everywhere(cost, [(n, p) for n, p in model.named_parameters() if "coder" in n])
    assert model.x_hat(x).shape == x.shape


def test_a_model_learns_colors_and_is_the_same_after_saving(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flat = np.broadcast_to(rng.integers(0, 256, (60, 3, 1, 1), dtype=np.uint8), (60, 3, 19, 16)).copy()
    trainer = tiny.trainer(tiny.prepared(flat, hidden=[8], epochs=12, batch_size=12, augment="none"))
    tiny.run(trainer)
    model = trainer.model
    found = model.reconstruct(flat)
    assert np.square(found - flat.astype(float)).mean() < 0.8 * flat.var(0).mean()  # 1 is what the mean image reaches
    assert found.dtype == np.uint8
    loaded = load_model(model.save(tmp_path / "model"))
    assert (loaded.reconstruct(flat) == found).all()
    assert loaded.config == model.config


def test_the_stages_are_layers_with_their_shapes() -> None:
    ready = tiny.prepared(np.zeros((20, 3, 33, 16), np.uint8), network="conv", hidden=[6, 5], z_size=4)
    layers = layers_of(prepare.fresh_model(ready))
    kinds = [(layer.kind, layer.shape, layer.side) for layer in layers]
    assert kinds == [
        ("input", (3, 33, 16), "encoder"),
        ("Conv 3×3 /2", (6, 17, 8), "encoder"),
        ("Conv 3×3 /2", (5, 9, 4), "encoder"),
        ("Linear", (4,), "code"),
        ("Linear", (180,), "decoder"),
        ("ConvT 4×4 ×2", (6, 17, 8), "decoder"),
        ("ConvT 4×4 ×2", (3, 33, 16), "decoder"),
    ]
    assert all("Crop" not in layer.notes and "ChannelsLast" not in layer.notes for layer in layers)
    count = (27 + 1) * 6 + (54 + 1) * 5 + 181 * 4 + 5 * 180 + (80 + 0) * 6 + 6 + (96 + 0) * 3 + 3
    assert sum(layer.parameters for layer in layers) == count

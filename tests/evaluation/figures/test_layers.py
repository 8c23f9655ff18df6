"""Layers are read from the network that is there."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.evaluation.figures.layers import layers_of
from isthmus.models.autoencoder import Model
from isthmus.parts.networks import linear_block
from isthmus.settings import build, nest


def mlp(*widths: int, activation: str = "relu") -> nn.Sequential:
    return nn.Sequential(*[linear_block(a, b, activation) for a, b in pairwise(widths)])


def n_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


class Notebook(nn.Module):
    """The teaching notebook's class: encoder and decoder of linear blocks, nested."""

    def __init__(self, z_size: int = 32) -> None:
        super().__init__()
        self.encoder = mlp(784, 512, 256, z_size, activation="sigmoid")
        self.decoder = mlp(z_size, 256, 512, 784, activation="sigmoid")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(x.flatten(1)))


@pytest.mark.parametrize("example", [None, torch.zeros(2, 1, 28, 28)])
def test_the_notebooks_network_has_the_layers_of_its_name(example):
    layers = layers_of(Notebook(), z_size=32, example=example)
    assert [layer.width for layer in layers] == [784, 512, 256, 32, 256, 512, 784]
    assert [layer.side for layer in layers] == ["encoder"] * 3 + ["code"] + ["decoder"] * 3
    assert [layer.kind for layer in layers] == ["input"] + ["Linear"] * 6
    assert [layer.activation for layer in layers] == [""] + ["Sigmoid"] * 6
    assert layers[1].parameters == 784 * 512 + 512
    assert sum(layer.parameters for layer in layers) == n_parameters(Notebook())


def test_norms_dropout_and_activation_belong_to_the_layer_before():
    block = linear_block(20, 10, "tanh", batch_norm=True, dropout=0.25)
    layers = layers_of(nn.Sequential(block, nn.Linear(10, 20)))
    assert layers[1].activation == "Tanh"
    assert layers[1].notes == ("BatchNorm1d", "dropout 0.25")
    assert layers[1].parameters == n_parameters(block)


def convolutional() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 6),
        nn.Linear(6, 8 * 4 * 4),
        nn.Unflatten(1, (8, 4, 4)),
        nn.ConvTranspose2d(8, 3, 4, stride=4),
        nn.Sigmoid(),
    )


def test_a_run_tells_the_shapes_of_convolutions():
    layers = layers_of(convolutional(), z_size=6, example=torch.zeros(1, 3, 16, 16))
    assert [layer.kind for layer in layers] == ["input", "Conv 3×3 /2", "Linear", "Linear", "ConvT 4×4 ×4"]
    assert [layer.shape for layer in layers] == [(3, 16, 16), (8, 4, 4), (6,), (128,), (3, 16, 16)]
    assert [layer.width for layer in layers] == [768, 128, 6, 128, 768]
    assert layers[1].notes == ("MaxPool2d",)


def test_without_a_run_a_convolution_is_as_wide_as_its_channels():
    assert [layer.width for layer in layers_of(convolutional())] == [3, 8, 6, 128, 3]


class Tied(nn.Module):
    """Shared activation defined first, functional use, a tied weight, a free parameter, and chance in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ELU()
        self.out = nn.Linear(4, 12)
        self.first = nn.Linear(12, 4)
        self.scale = nn.Parameter(torch.ones(5))
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.act(self.first(x)) + torch.randn(len(x), 4)
        again = F.relu(self.out(z))
        return self.act(self.out(self.first(again)))


def test_a_run_gives_the_order_of_calls_and_counts_shared_weights_once():
    module = Tied()
    layers = layers_of(module, z_size=4, example=torch.zeros(3, 12))
    assert [layer.width for layer in layers] == [12, 4, 12, 4, 12]
    assert [layer.activation for layer in layers] == ["", "ELU", "", "", "ELU"]
    assert [layer.parameters for layer in layers] == [5, 52, 60, 0, 0]
    assert sum(layer.parameters for layer in layers) == n_parameters(module)


def test_a_run_changes_neither_module_nor_chance():
    module = Tied().train()
    module.drop.eval()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.randn(4)
    torch.manual_seed(3)
    layers_of(module, example=torch.zeros(3, 12))
    assert torch.equal(torch.randn(4), expected)
    assert module.training
    assert not module.drop.training
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert not any(m._forward_hooks for m in module.modules())


class Scale(nn.Module):
    """A layer of somebody's own, with parameters and no children."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


@pytest.mark.parametrize("example", [None, torch.zeros(2, 7)])
def test_layers_of_ones_own_are_named_after_their_class(example):
    layers = layers_of(nn.Sequential(nn.Linear(7, 7), Scale(), nn.GELU()), example=example)
    assert [(layer.kind, layer.width, layer.activation) for layer in layers[1:]] == [
        ("Linear", 7, ""),
        ("Scale", 7, "GELU"),
    ]


def test_parametrized_layers_are_still_layers():
    linear = nn.utils.parametrizations.weight_norm(nn.Linear(6, 3))
    layers = layers_of(nn.Sequential(linear, nn.Linear(3, 6)))
    assert [(layer.kind, layer.width) for layer in layers] == [("input", 6), ("Linear", 3), ("Linear", 6)]
    assert (
        sum(layer.parameters for layer in layers) == 6 * 3 + 3 + 3 + 3 * 6 + 6
    )  # weight, its norms, bias; second layer


def test_recurrent_layers_give_the_first_of_their_outputs():
    layers = layers_of(nn.LSTM(5, 9, batch_first=True), example=torch.zeros(2, 4, 5))
    assert [layer.shape for layer in layers] == [(4, 5), (4, 9)]


@pytest.mark.parametrize(
    ("widths", "z_size", "code"),
    [
        ((8, 8, 8, 8, 8), 8, 2),  # all fit: the middle one
        ((64, 4, 16, 4, 64), 16, 2),  # the stated size beats the narrowest
        ((64, 16, 4, 16, 64), None, 2),
        ((64, 16, 4, 16, 64), 5, 2),  # nothing fits: the narrowest
        ((4, 16, 4), 4, 1),  # neither input nor output is a code
    ],
)
def test_the_code_is_the_fitting_layer_nearest_to_the_middle(widths, z_size, code):
    assert [layer.is_code for layer in layers_of(mlp(*widths), z_size=z_size)].index(True) == code


def test_modules_without_weights_have_no_layers():
    assert layers_of(nn.Sequential(nn.Flatten(), nn.ReLU())) == []


@pytest.fixture
def model():
    """Builds a `Model` on 28 x 28 bytes."""
    from isthmus.data.batching.preprocess_fitting import fit_preprocess
    from isthmus.data.samples import Samples

    def make(own: nn.Module | None = None, **settings):
        samples = Samples(np.zeros((4, 1, 28, 28), np.uint8), "zeros")
        config = build(nest(settings | {"likelihood": "bernoulli"}))
        return Model(config.model, fit_preprocess(samples, "auto"), own=own)

    return make


def test_a_model_is_drawn_from_input_to_output(model):
    layers = layers_of(model(z_size=16, bottleneck="sigmoid", noise="gaussian:0.5"))
    assert [layer.width for layer in layers] == [784, 512, 256, 16, 256, 512, 784]
    assert [layer.activation for layer in layers] == ["", "SiLU", "SiLU", "Sigmoid", "SiLU", "SiLU", ""]
    assert layers[3].is_code
    assert sum(layer.parameters for layer in layers) == model(z_size=16).n_parameters


def test_a_model_around_a_module_of_ones_own_shows_that_module(model):
    layers = layers_of(model(Notebook(24)))
    assert [layer.width for layer in layers] == [784, 512, 256, 24, 256, 512, 784]
    assert layers[3].is_code

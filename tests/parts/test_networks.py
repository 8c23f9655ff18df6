from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from scipy import integrate, stats
from torch import nn

from contract import assert_close, drawn, seeded
from isthmus.errors import UsageError
from isthmus.parts.blocks import ACTIVATIONS, Sizes, activation_layer, linear_block
from isthmus.parts.networks import GAINS, NETWORKS, WIDTHS, fitting_network, initialize, network, start_at, usual_widths
from isthmus.wording import widths

SIZES = Sizes((1, 28, 28), width_code=32, z_size=32, channels_out=1)


def test_linear_block_equals_its_layers_by_hand() -> None:
    block, x = linear_block(6, 4, "relu"), drawn(5, 6) - 0.5
    linear = block[0]
    assert_close(block(x), (x @ linear.weight.T + linear.bias).clamp(min=0))


@pytest.mark.parametrize(
    ("arguments", "layers"),
    [
        ({}, [nn.Linear, nn.ReLU]),
        ({"activation": None}, [nn.Linear]),
        ({"activation": "linear"}, [nn.Linear]),
        ({"activation": "sigmoid"}, [nn.Linear, nn.Sigmoid]),
        ({"batch_norm": True, "dropout": 0.3}, [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout]),
        ({"activation": "lrelu", "dropout": 0.3}, [nn.Linear, nn.LeakyReLU, nn.Dropout]),
    ],
)
def test_linear_block_has_the_layers_of_the_notebooks_library(arguments: dict, layers: list[type]) -> None:
    assert [type(layer) for layer in linear_block(6, 4, **arguments)] == layers


def test_mlp_is_the_notebooks_hourglass() -> None:
    encoder, decoder = network("mlp", SIZES, hidden=(512, 256), activation="sigmoid", dropout=0.0)
    kinds = {nn.Linear: "linear", nn.Sigmoid: "sigmoid", nn.Flatten: "flatten", nn.Unflatten: "unflatten"}

    def layers(part: nn.Module) -> list[str]:
        leaves = [m for m in part.modules() if not isinstance(m, nn.Sequential)]
        return [f"{m.in_features}-{m.out_features}" if isinstance(m, nn.Linear) else kinds[type(m)] for m in leaves]

    assert layers(encoder) == ["flatten", "784-512", "sigmoid", "512-256", "sigmoid", "256-32"]
    assert layers(decoder) == ["32-256", "sigmoid", "256-512", "sigmoid", "512-784", "unflatten"]
    count = sum(p.numel() for part in (encoder, decoder) for p in part.parameters())
    widths = [784, 512, 256, 32, 256, 512, 784]
    assert count == sum((a + 1) * b for a, b in pairwise(widths))


def test_unknown_activations_and_networks_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown activation 'rleu'") as caught:
        activation_layer("rleu")
    assert all(name in str(caught.value.fix) for name in ACTIVATIONS)
    with pytest.raises(UsageError, match="unknown activation 'rleu'"):
        network("mlp", SIZES, hidden=(), activation="rleu", dropout=0.0)  # even if no layer uses it
    with pytest.raises(UsageError, match="unknown network 'mpl'"):
        network("mpl", SIZES, hidden=(), activation="relu", dropout=0.0)
    with pytest.raises(UsageError, match="unknown network 'web'") as caught:
        network("web", SIZES, hidden=(), activation="relu", dropout=0.0)
    assert caught.value.fix == "use one of: auto, conv, mlp, unet."


def started(scheme: str, activation: str = "relu", n_in: int = 400, n_out: int = 300) -> nn.Linear:
    layer = nn.Linear(n_in, n_out)
    initialize(layer, activation, seeded(0), scheme=scheme)
    return layer


def test_framework_start_has_the_distribution_of_pytorchs_own() -> None:
    layer, bound = started("framework"), 1 / math.sqrt(400)
    uniform = stats.uniform(-bound, 2 * bound).cdf
    for parameter in (layer.weight, layer.bias):
        assert stats.kstest(parameter.detach().flatten().numpy(), uniform).pvalue > 1e-3
    with torch.random.fork_rng():
        own = nn.Linear(400, 300)
    for name in ("weight", "bias"):
        ours, theirs = (getattr(m, name).detach().flatten().numpy() for m in (layer, own))
        assert stats.ks_2samp(ours, theirs).pvalue > 1e-3


@pytest.mark.parametrize("activation", ["relu", "silu", "linear"])
def test_he_start_is_normal_with_deviation_gain_by_root_fan_in(activation: str) -> None:
    layer = started("he-normal", activation)
    sd = GAINS.get(activation, math.sqrt(2)) / math.sqrt(400)
    assert stats.kstest(layer.weight.detach().flatten().numpy() / sd, "norm").pvalue > 1e-3
    assert bool((layer.bias == 0).all())


@pytest.mark.parametrize(("n_in", "n_out"), [(400, 300), (300, 400)])
def test_orthogonal_start_has_rows_or_columns_at_right_angles(n_in: int, n_out: int) -> None:
    weight = started("orthogonal", n_in=n_in, n_out=n_out).weight.detach().double()
    short = weight if n_out <= n_in else weight.T
    gram = short @ short.T
    assert float((gram - 2 * torch.eye(300, dtype=torch.float64)).abs().max()) < 1e-5  # float32; gain^2 of relu is 2


def test_gains_keep_the_variance_of_relu_from_layer_to_layer() -> None:
    x = torch.randn(2_000, 400, generator=seeded(1))
    for _ in range(6):
        layer = nn.Linear(400, 400)
        initialize(layer, "relu", seeded(2), scheme="he-normal")
        x = layer(x.relu()).detach()
    # six layers of 400 units: the variance varies by about sqrt(6 * 5 / 400) = 27 %
    assert float(x.var()) == pytest.approx(1, abs=0.6)


def test_the_number_beside_silus_gain_is_right() -> None:
    share, _ = integrate.quad(lambda n: (n / (1 + math.exp(-n))) ** 2 * stats.norm.pdf(n), -12, 12)
    assert share == pytest.approx(0.356, abs=5e-4)


def test_convolutions_are_started_too_and_batch_norm_is_left_alone() -> None:
    module = nn.Sequential(nn.Conv2d(3, 50, 5), nn.BatchNorm2d(50), nn.ConvTranspose2d(50, 3, 5, bias=False))
    initialize(module, "relu", seeded(0), scheme="he-normal")
    assert float(module[0].weight.detach().std()) == pytest.approx(
        math.sqrt(2 / 75), rel=0.1
    )  # fan-in 3 x 5 x 5; 3,750 values
    assert bool((module[0].bias == 0).all())
    assert bool((module[1].weight == 1).all())


@pytest.mark.parametrize("scheme", ["he-normal", "orthogonal"])
@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (3, 1), ((3, 4), (1, 2))])
def test_transposed_convolutions_keep_the_variance_too(scheme: str, kernel: int, stride: int) -> None:
    layer = nn.ConvTranspose2d(48, 12, kernel, stride=stride, padding=1)
    initialize(layer, "relu", seeded(0), scheme=scheme)
    x = torch.randn(40, 48, 8, 8, generator=seeded(1))
    inner = layer(x).detach()[..., 2:-2, 2:-2]  # away from the border, where pixels have fewer neighbors
    # gain^2 of relu is 2; 12 kinds of output, or 48 with stride 2, each with a norm that wanders by 10 %
    assert float(inner.var()) == pytest.approx(2, rel=0.1)


def test_an_orthogonal_transposed_convolution_keeps_lengths_tap_by_tap() -> None:
    layer = nn.ConvTranspose2d(5, 20, 4, stride=2, padding=1, bias=False).double()
    initialize(layer, "linear", seeded(0), scheme="orthogonal")
    x = torch.zeros(1, 5, 9, 9, dtype=torch.float64)
    x[..., 4, 4] = drawn(5, dtype=torch.float64)
    # 80 kinds of output from 20 inputs, 4 neighbors in 5 channels: the columns are at right angles and of length 1.
    # The pixel is in each of the 4 places once, and keeps its size.
    assert float(layer(x).detach().square().sum()) == pytest.approx(4 * float(x.square().sum()), rel=1e-9)


@pytest.mark.parametrize(
    ("shape", "name", "widths"),
    [
        ((6,), "mlp", (512, 256)),
        ((1, 28, 28), "mlp", (512, 256)),
        ((1, 40, 40), "mlp", (512, 256)),
        ((1, 41, 40), "conv", (16, 32, 64)),
        ((3, 28, 28), "conv", (16, 32)),
        ((3, 15, 28), "mlp", (512, 256)),
        ((1, 256, 16), "conv", (16, 32, 64, 128, 128)),
        ((4, 16, 16), "conv", (16,)),
    ],
)
def test_the_images_choose_the_network_and_its_usual_widths(
    shape: tuple[int, ...], name: str, widths: tuple[int, ...]
) -> None:
    assert (fitting_network(shape), usual_widths(name, shape)) == (name, widths)
    sizes = Sizes(shape, width_code=3, z_size=3, channels_out=shape[0])
    chosen, asked = (network(text, sizes, hidden=None, activation="relu", dropout=0.0) for text in ("auto", name))
    assert str(chosen) == str(asked)


def test_widths_are_told_in_the_words_of_the_network() -> None:
    assert widths("mlp", (512, 256)) == "layers of 512, 256 units"
    assert widths("conv,shortcut=true", [32]) == "1 stage of 32 channels"
    assert widths("unet", (32, 48, 64)) == "scales of 32, 48, 64 channels"
    assert widths("mlp", [1]) == "1 layer of 1 unit"
    assert widths("conv", ()) == widths("mlp", None) == "no hidden layers"
    assert NETWORKS.keys() == WIDTHS.keys()


def test_the_output_starts_at_the_mean_image_or_at_the_mean_color() -> None:
    mean = 0.1 + 0.8 * drawn(3, 16, 20)
    sizes = Sizes((3, 16, 20), width_code=4, z_size=4, channels_out=3)
    for name, expected in (("mlp", mean), ("conv", mean.mean((1, 2), keepdim=True).expand_as(mean))):
        _, decoder = network(name, sizes, hidden=(8,), activation="relu", dropout=0.0)
        with torch.no_grad():
            for parameter in decoder.parameters():
                parameter.zero_()
        start_at(decoder, mean, torch.logit)
        assert_close(decoder(drawn(2, 4)).sigmoid().detach(), expected.expand(2, -1, -1, -1))

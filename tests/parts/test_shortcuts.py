from __future__ import annotations

import torch
from torch import nn

from isthmus.parts.blocks import Sizes
from isthmus.parts.networks import initialize, network
from isthmus.parts.shortcuts import Beside, FixedShortcut, LinearCode, has_shortcut, start_linear

SIZES = Sizes((5,), 2, 2, 5)


def pair_with_shortcut() -> tuple[nn.Module, nn.Module]:
    pair = network("mlp,shortcut=true", SIZES, hidden=[8], activation="silu", dropout=0.0)
    for side in pair:
        initialize(side, "silu", torch.Generator().manual_seed(0), scheme="orthogonal")
    return pair


def test_a_linear_path_adds_a_matrix_to_what_the_layers_give() -> None:
    part = Beside(nn.Sequential(nn.Linear(3, 2)), 3, 2)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    expected = x @ part.layers[0].weight.T + part.layers[0].bias + x @ part.shortcut.weight.T
    torch.testing.assert_close(part(x), expected)
    assert part.shortcut.bias is None


def test_it_starts_as_the_projection_onto_the_components() -> None:
    encoder, decoder = pair_with_shortcut()
    components = torch.linalg.qr(torch.randn(5, 2, generator=torch.Generator().manual_seed(2)))[0]
    start_linear(encoder, decoder, LinearCode(torch.zeros(5), components, torch.ones(2)))
    for side in (encoder, decoder):
        for part in (m for m in side.modules() if isinstance(m, Beside)):
            nn.init.zeros_([layer for layer in part.layers.modules() if isinstance(layer, nn.Linear)][-1].weight)
    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(decoder(encoder(x)), x @ components @ components.T)


def test_numbers_of_the_code_beyond_the_components_start_at_zero() -> None:
    encoder, decoder = pair_with_shortcut()
    start_linear(encoder, decoder, LinearCode(torch.zeros(5), torch.eye(5)[:, :1], torch.ones(1)))
    paths = [m.shortcut.weight for side in (encoder, decoder) for m in side.modules() if isinstance(m, Beside)]
    assert torch.equal(paths[0], torch.eye(5)[:2] * torch.tensor([[1.0], [0.0]]))
    assert torch.equal(paths[1], paths[0].T)


def test_a_fixed_path_keeps_its_digits_where_layers_round_theirs() -> None:
    part, x = FixedShortcut(40, 3), torch.randn(6, 40, generator=torch.Generator().manual_seed(4))
    part.weight.copy_(torch.randn(3, 40, generator=torch.Generator().manual_seed(5)))
    part.bias.fill_(150.0)
    expected = x @ part.weight.T + part.bias
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(part(x), expected)  # bfloat16 would be off by up to 0.5


def test_only_a_network_that_asks_for_it_has_one() -> None:
    assert has_shortcut(pair_with_shortcut()[0])
    assert not has_shortcut(network("mlp", SIZES, hidden=[8], activation="silu", dropout=0.0)[0])

"""The U-Net of denoisers: scaling without biases, its receptive field, and that all of it is trained."""

from __future__ import annotations

import pytest
import torch

from contract import assert_close, assert_gradient_everywhere, drawn, redraw
from isthmus.errors import UsageError
from isthmus.parts.unet import UNet, reflected, unet

SMALL = (4, 6, 8)


def test_it_has_as_many_weights_as_its_widths_say() -> None:
    first, second, third = 32, 48, 64
    blocks = 2 * 2 * 9 * (2 * first**2 + 2 * second**2) + 3 * 2 * 9 * third**2
    steps = 2 * 4 * (first * second + second * third)
    assert sum(p.numel() for p in UNet(1).parameters()) == blocks + steps + 2 * 9 * first == 498_240


@pytest.mark.parametrize("sides", [(16, 16), (17, 23), (1, 1), (2, 9)])
@pytest.mark.parametrize("C", [1, 3])
def test_images_of_any_sides_keep_them(C: int, sides: tuple[int, int]) -> None:
    assert redraw(UNet(C, SMALL))(drawn(2, C, *sides)).shape == (2, C, *sides)


def test_without_biases_twice_the_input_gives_twice_the_output() -> None:
    network, x = redraw(UNet(3, SMALL)).double(), drawn(2, 3, 13, 18, dtype=torch.float64)
    assert_close(network(2 * x), 2 * network(x))
    assert all(name.endswith("weight") for name, _ in network.named_parameters())
    assert float(network(torch.zeros_like(x)).detach().abs().max()) == 0.0


def test_an_output_pixel_sees_the_halo_and_nothing_beyond() -> None:
    network = redraw(UNet(1, SMALL)).double()
    side = 2 * network.halo + 41
    middle = side // 2
    for row in range(middle, middle + network.stride):
        x = drawn(1, 1, side, side, dtype=torch.float64).requires_grad_()
        network(x)[0, 0, row, middle].backward()
        assert x.grad is not None
        seen = x.grad[0, 0].abs().amax(1).nonzero().flatten()
        assert row - network.halo <= int(seen.min()) <= row - network.halo // 2
        assert row + network.halo // 2 <= int(seen.max()) <= row + network.halo


def test_it_starts_by_giving_back_what_comes_in() -> None:
    x = drawn(2, 1, 12, 20)
    network = redraw(UNet(1, SMALL))
    assert not torch.equal(network(x), x)
    assert torch.equal(network.start_as_identity()(x), x)


def test_a_gradient_reaches_every_weight() -> None:
    network = redraw(UNet(1, SMALL))
    assert_gradient_everywhere(network(drawn(3, 1, 16, 16)).square().mean(), network.named_parameters())


def test_edges_are_mirrored_and_repeated_where_there_is_nothing_to_mirror() -> None:
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert reflected(x, 1, 1)[0, 0].tolist() == [[0, 1, 2, 1], [3, 4, 5, 4], [0, 1, 2, 1]]
    assert reflected(x, 2, 0)[0, 0].tolist() == [[0, 1, 2], [3, 4, 5], [3, 4, 5], [3, 4, 5]]
    assert reflected(x, 0, 0) is x


def test_tables_are_refused() -> None:
    with pytest.raises(UsageError, match="unet needs images"):
        unet((7,))

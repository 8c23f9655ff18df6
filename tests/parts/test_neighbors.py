"""Neighbor2Neighbor: two neighbors in a cell, and the paper's cost as a squared error from another target."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from contract import seeded
from isthmus.errors import UsageError
from isthmus.parts.abstract_corruption import Pair
from isthmus.parts.corruptions import corruption
from isthmus.parts.neighbors import GAMMA, NEIGHBORS, NeighborNoise

SHAPE = (2, 12, 20)


def numbered(B: int = 3, shape: tuple[int, int, int] = SHAPE) -> Tensor:
    """Every pixel of an image has a different value, and each channel adds 1,000 to the previous one."""
    C, H, W = shape
    pixels = torch.arange(H * W, dtype=torch.float32).reshape(1, 1, H, W)
    return (pixels + 1000 * torch.arange(C)[None, :, None, None]).repeat(B, 1, 1, 1)


def halves(part: NeighborNoise, x: Tensor, seed: int) -> Pair:
    """The pair at the beginning of training, when the weight of the regularizer is 0."""
    return part.training_pair(x, seeded(seed), lambda y: y, 0.0)


@pytest.mark.parametrize("apart", [1, 2, 3])
def test_both_pixels_are_of_one_cell_and_beside_each_other(apart: int) -> None:
    part, x = NeighborNoise(apart, shape=SHAPE), numbered()
    pair = halves(part, x, 0)
    W = SHAPE[2]
    sides = (SHAPE[1] // (2 * apart) * apart, W // (2 * apart) * apart)
    assert pair.x_in.shape == pair.target.shape == (3, 2, *sides)
    difference = (pair.target - pair.x_in)[:, 0]
    assert set(difference.unique().tolist()) == {-apart, apart, -apart * W, apart * W}
    assert torch.equal(pair.x_in[:, 1], pair.x_in[:, 0] + 1000)  # the same pixels of all channels
    for half in (pair.x_in, pair.target):
        row, column = half[:, 0].long() // W, half[:, 0].long() % W
        cell = torch.arange(sides[0]) // apart, torch.arange(sides[1]) // apart
        inside = torch.arange(sides[0]) % apart, torch.arange(sides[1]) % apart
        assert torch.equal(row // (2 * apart), cell[0][None, :, None].expand_as(row))
        assert torch.equal(column // (2 * apart), cell[1][None, None].expand_as(column))
        assert torch.equal(row % apart, inside[0][None, :, None].expand_as(row))  # neighbors of x_in are `apart` apart
        assert torch.equal(column % apart, inside[1][None, None].expand_as(column))


def test_every_choice_is_drawn_alike() -> None:
    pair = halves(NeighborNoise(1, shape=(1, 200, 200)), numbered(1, (1, 200, 200)), 0)
    places = [(half[0, 0].long() // 200 % 2) * 2 + half[0, 0].long() % 200 % 2 for half in pair[:2]]
    counts = [int(((places[0] == a) & (places[1] == b)).sum()) for a, b in NEIGHBORS]
    assert sum(counts) == 100 * 100
    assert max(abs(n - 1250) for n in counts) < 5 * (1250 * 7 / 8) ** 0.5  # five standard deviations


def test_the_training_pair_has_the_gradient_of_the_papers_cost() -> None:
    part, x = NeighborNoise(1, shape=SHAPE), torch.rand((3, *SHAPE), generator=seeded(1), dtype=torch.float64)
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    done = 0.6
    pair = part.training_pair(x, seeded(0), lambda y: weight * y.square(), done)
    plain = halves(part, x, 0)
    assert torch.equal(pair.x_in, plain.x_in)
    answer = weight * plain.x_in.square()
    first, second = part._halves(weight.detach() * x.square(), part._draw(x, seeded(0)))
    error = answer - plain.target
    paper = error.square().mean() + GAMMA * done * (error - (first - second)).square().mean()
    expected = torch.autograd.grad(paper, weight, retain_graph=True)[0]
    found = torch.autograd.grad((answer - pair.target).square().mean(), weight)[0]
    assert float(found * (1 + GAMMA * done)) == pytest.approx(float(expected), rel=1e-12)
    assert not pair.target.requires_grad


def test_a_linear_answer_learned_from_noisy_pictures_is_that_of_clean_ones() -> None:
    """For flat pictures, the best factor on a noisy pixel is that of the Wiener filter, s^2 / (s^2 + sigma^2)."""
    generator = seeded(2)
    clean = torch.randn((4000, 1, 1, 1), generator=generator).expand(-1, 1, 8, 8)
    x = clean + 0.5 * torch.randn((4000, 1, 8, 8), generator=generator)
    pair = halves(NeighborNoise(1, shape=(1, 8, 8)), x, 3)
    learned = float((pair.x_in * pair.target).sum() / pair.x_in.square().sum())
    assert learned == pytest.approx(1 / 1.25, abs=0.02)  # of 4,000 pictures: 1 / sqrt(4000)


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        ("unknown", (6,), "unknown noise needs images"),
        ("unknown:0", SHAPE, "must be 1 to 8 or auto"),
        ("unknown:1.5", SHAPE, "must be 1 to 8 or auto"),
        ("unknown+gaussian:0.1", SHAPE, "cannot be combined"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        corruption(text, (0.0, 1.0), shape)


@pytest.mark.parametrize("apart", [1, 2])
def test_pixels_left_out_are_filled_from_those_beside_and_alone_count(apart: int) -> None:
    x = torch.rand((2, 3, 24, 32), generator=seeded(0), dtype=torch.float64)
    pair = NeighborNoise(apart, shape=(3, 24, 32))(x, seeded(1))
    assert pair.weight is not None
    counted = pair.weight > 0
    assert torch.equal(pair.target, x)
    assert torch.equal(counted, pair.x_in != x)
    assert [float(w.mean()) for w in pair.weight] == pytest.approx([1, 1])
    image, channel, row, column = next(p for p in counted.nonzero().tolist() if 2 <= p[2] < 22 and 2 <= p[3] < 30)
    around = [(row - apart, column), (row + apart, column), (row, column - apart), (row, column + apart)]
    expected = sum(float(x[image, channel, r, c]) for r, c in around) / 4
    assert float(pair.x_in[image, channel, row, column]) == pytest.approx(expected)
    assert not any(bool(counted[image, channel, r, c]) for r, c in around)


def test_by_pixels_left_out_the_truth_costs_the_variance_of_the_noise() -> None:
    clean = torch.linspace(0, 1, 64).expand(4, 1, 64, 64)
    x = clean + 0.1 * torch.randn(clean.shape, generator=seeded(0))
    pair = NeighborNoise(1, shape=(1, 64, 64))(x, seeded(1))
    assert pair.weight is not None
    cost = float((pair.weight * (clean - pair.target).square()).mean())
    assert cost == pytest.approx(0.01, rel=0.15)  # of 1,024 pixels: 4.4 %


def test_images_smaller_than_two_cells_are_refused() -> None:
    with pytest.raises(UsageError, match="are too small for pairs"):
        halves(NeighborNoise(8, shape=(1, 12, 12)), torch.zeros(1, 1, 12, 12), 0)

"""Training patches: each is a piece of an image it may come from, turned or mirrored; the seed decides which."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from scipy import ndimage

from isthmus.data.batching.patches import Patches, soften_of, softened
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.whole_images import WholeImages
from isthmus.errors import UsageError
from isthmus.randomness import generator_for

CPU = torch.device("cpu")
RAW = Preprocess((2, 8, 8), "float32")  # nothing is scaled


def numbered(sizes: list[tuple[int, int]], C: int = 2) -> WholeImages:
    """Every value of all images is another number."""
    whole = WholeImages.empty(sizes, C, "float32")
    whole.values[:] = np.arange(len(whole.values))
    return whole


def patches(whole: WholeImages, chosen: list[int], patch: int = 6, batch_size: int = 64, seed: int = 0) -> Patches:
    return Patches(whole, np.array(chosen), RAW, patch=patch, batch_size=batch_size, seed=seed, device=CPU)


def symmetries(square: np.ndarray) -> list[np.ndarray]:
    """(C, P, P) under the eight symmetries of a square."""
    turned = [np.rot90(square, k, (1, 2)) for k in range(4)]
    return [*turned, *(each[:, :, ::-1] for each in turned)]


def test_a_patch_is_a_piece_of_its_image_under_one_of_eight_symmetries() -> None:
    whole = numbered([(9, 14), (20, 7), (6, 6)])
    batches = patches(whole, [0, 1, 2])
    seen: Counter[int] = Counter()
    rows = torch.arange(batches.n_samples).repeat(40)
    taken = batches.take(rows, generator_for(0)).numpy()
    assert taken.shape == (len(rows), 2, 6, 6)
    for row, patch in zip(rows.tolist(), taken, strict=True):
        image = whole.image(int(batches.owner[row]))
        top, left = np.argwhere(image[0] == patch[0].min())[0]
        piece = image[:, top : top + 6, left : left + 6]
        which = [k for k, each in enumerate(symmetries(piece)) if np.array_equal(each, patch)]
        assert len(which) == 1
        seen[which[0]] += 1
    assert set(seen) == set(range(8))
    assert max(seen.values()) < 2 * min(seen.values())


def test_every_place_of_an_image_is_drawn_and_other_images_never() -> None:
    whole = numbered([(9, 8), (12, 12)], C=1)
    batches = patches(whole, [0])
    taken = batches.take(torch.zeros(2_000, dtype=torch.int64), generator_for(1))
    corners = taken.amin((1, 2, 3)).long().unique().tolist()
    assert corners == [row * 8 + column for row in range(4) for column in range(3)]


def test_an_epoch_draws_as_often_as_patches_cover_an_image() -> None:
    batches = patches(numbered([(12, 12), (18, 12), (6, 7)]), [0, 1, 2])
    assert torch.bincount(batches.owner).tolist() == [4, 6, 2]
    assert sorted(torch.cat(batches.rows(3)).tolist()) == list(range(12))


def test_the_seed_decides_and_images_smaller_than_a_patch_make_it_smaller() -> None:
    whole = numbered([(30, 5), (9, 9)])
    one, same, other = (patches(whole, [0, 1], seed=seed, batch_size=8) for seed in (0, 0, 1))
    assert one.patch == 5
    assert torch.equal(torch.cat(one.rows(0)), torch.cat(same.rows(0)))
    assert not torch.equal(torch.cat(one.rows(0)), torch.cat(other.rows(0)))
    rows = one.rows(0)[0]
    assert torch.equal(one.take(rows, generator_for(5)), same.take(rows, generator_for(5)))
    assert not torch.equal(one.take(rows, generator_for(5)), one.take(rows, generator_for(6)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_bytes_and_wider_values_are_scaled_as_everywhere(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, np.iinfo(dtype).max, (3, 1, 8, 8), endpoint=True).astype(dtype)
    preprocess = Preprocess((1, 8, 8), dtype, range=(0.0, 1.0))
    whole = WholeImages.of_array(x)
    batches = Patches(whole, np.arange(3), preprocess, patch=8, batch_size=3, seed=0, device=CPU)
    taken = batches.take(torch.arange(3), generator_for(0))
    expected = preprocess.to_x(torch.from_numpy(x))
    assert taken.dtype == torch.float32
    assert torch.equal(taken.flatten(1).sort(1).values, expected.flatten(1).sort(1).values)


def test_softening_blurs_half_of_the_patches_as_scipy_does() -> None:
    x = torch.rand(200, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    found = softened(x, 1.2, torch.Generator().manual_seed(1))
    changed = (found - x).flatten(1).abs().amax(1) > 1e-6
    assert 0.35 < float(changed.float().mean()) < 0.65  # four deviations of a share of 200
    u = torch.rand((2, 200, 1, 1, 1), generator=torch.Generator().manual_seed(1))
    row = int(changed.nonzero()[0])
    width = float(1.2 * u[1, row])
    expected = ndimage.gaussian_filter(x[row, 0].double().numpy(), width, mode="mirror", radius=3)
    assert found[row, 0].numpy() == pytest.approx(expected, abs=1e-5)  # float32


@pytest.mark.parametrize("augment", ["shift:2", "soften", "soften:2", "soften:0", "none:1"])
def test_other_augmentations_of_patches_are_refused(augment: str) -> None:
    with pytest.raises(UsageError, match="unknown augmentation"):
        soften_of(augment)

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
from isthmus.data.batching.batches import Batches, in_order, resident, shift_of, shifted
from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import UsageError
from isthmus.randomness import generator_for

CPU = torch.device("cpu")
IMAGE = Preprocess((1, 6, 5), "uint8", range=(0.0, 1.0))
TABLE = Preprocess((3,), "float32")


def batches(n: int, batch_size: int, *, seed: int = 0, augment: str = "none") -> Batches:
    data = torch.arange(n * 30, dtype=torch.int64).remainder(256).to(torch.uint8).reshape(n, 1, 6, 5)
    return Batches(data, IMAGE, batch_size=batch_size, augment=augment, seed=seed, device=CPU)


@given(n=st.integers(1, 200), batch_size=st.integers(1, 250), epoch=st.integers(0, 3))
def test_every_sample_comes_once_an_epoch_and_never_alone(n: int, batch_size: int, epoch: int) -> None:
    made = batches(n, batch_size)
    rows = made.rows(epoch)
    assert sorted(torch.cat(rows).tolist()) == list(range(n))
    assert len(rows) == len(made)
    sizes = [len(r) for r in rows]
    assert all(size == min(batch_size, n) for size in sizes[:-1])
    assert sizes[-1] <= min(batch_size, n) + 1
    assert min(sizes) > 1 or n == 1 or batch_size == 1


def test_fault_47_a_single_last_sample_joins_the_batch_before_it() -> None:
    assert [len(rows) for rows in batches(65, 16).rows(0)] == [16, 16, 16, 17]
    assert [len(rows) for rows in batches(66, 16).rows(0)] == [16, 16, 16, 16, 2]
    assert [len(rows) for rows in batches(3, 16).rows(0)] == [3]


def test_the_order_comes_from_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        made = batches(100, 7, seed=seed)
        made.rows(epoch + 1)  # what was asked before does not matter
        return torch.cat(made.rows(epoch)).tolist()

    with tiny.assert_global_generator_untouched():
        first = order(0, 0)
    assert order(0, 0) == first
    assert order(0, 1) != first
    assert order(1, 0) != first
    assert first != list(range(100))


def test_a_batch_holds_the_scaled_samples_of_its_rows() -> None:
    made = batches(50, 8)
    rows = torch.tensor([3, 41, 0])
    x = made.take(rows, generator_for(0))
    assert x.dtype == torch.float32
    assert x.numpy() == pytest.approx(made.data.numpy()[[3, 41, 0]] / 255, abs=1e-7)


@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize("most", [1, 2, 4])
def test_a_shift_is_a_window_of_the_image_padded_by_its_edge(most: int, C: int) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (40, C, 6, 5), dtype=np.uint8))
    moved = shifted(images, most, generator_for(0, most)).numpy()
    found = []
    for image, result in zip(images.numpy(), moved, strict=True):
        padded = np.pad(image, ((0, 0), (most, most), (most, most)), mode="edge")
        windows = {(i, j): padded[:, i : i + 6, j : j + 5] for i in range(2 * most + 1) for j in range(2 * most + 1)}
        found.append([move for move, window in windows.items() if np.array_equal(window, result)])
    assert all(found), "an image is not a window of its padded self"
    first = np.array([moves[0] for moves in found])
    assert len({tuple(move) for move in first}) > min(4, most)  # each image has its own move


def test_all_moves_are_equally_likely_up_to_the_largest() -> None:
    n, most = 9_000, 1
    image = torch.zeros(n, 1, 5, 5)
    image[:, 0, 2, 2] = 1
    found = shifted(image, most, generator_for(0))[:, 0, 1:4, 1:4].reshape(n, 9)
    assert bool((found.sum(1) == 1).all())
    counts = found.sum(0).tolist()
    assert all(abs(count - 1_000) < 5 * 31.6 for count in counts)  # five standard deviations


def test_shifts_stop_after_their_share_of_the_training() -> None:
    made = batches(20, 8, augment="shift:2,until=0.8")
    rows = torch.arange(20)
    assert [made.augments(done) for done in (0.0, 0.79, 0.8, 1.0)] == [True, True, False, False]
    plain = made.take(rows, generator_for(0), augmented=False)
    assert torch.equal(plain, batches(20, 8).take(rows, generator_for(0)))
    assert not torch.equal(made.take(rows, generator_for(0)), plain)


@pytest.mark.parametrize(
    ("augment", "found"),
    [("none", (0, 1.0)), ("shift:2", (2, 1.0)), ("shift:1,until=0.5", (1, 0.5)), ("shift:0", (0, 1.0))],
)
def test_augmentations_are_none_or_shifts(augment: str, found: tuple[int, float]) -> None:
    assert shift_of(augment, IMAGE) == found


@pytest.mark.parametrize(
    ("augment", "preprocess", "message"),
    [
        ("flip", IMAGE, "unknown augmentation 'flip'"),
        ("shift", IMAGE, "unknown augmentation 'shift'"),
        ("shift:two", IMAGE, "unknown augmentation 'shift:two'"),
        ("shift:-2", IMAGE, "unknown augmentation 'shift:-2'"),
        ("shift:²", IMAGE, "unknown augmentation 'shift:²'"),
        ("shift:2,until=2", IMAGE, "unknown augmentation"),
        ("shift:2,until=late", IMAGE, "unknown augmentation"),
        ("none:2", IMAGE, "unknown augmentation 'none:2'"),
        ("shift:2", TABLE, "a table cannot be shifted"),
        ("shift:5", IMAGE, r"shift:5 shifts images of \(6, 5\) pixels out"),
    ],
)
def test_other_augmentations_are_refused(augment: str, preprocess: Preprocess, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shift_of(augment, preprocess)


@pytest.mark.parametrize("chunk", [1, 7, 50, 99])
def test_all_samples_come_in_their_order_chunk_by_chunk(chunk: int) -> None:
    data = batches(50, 8).data
    chunks = list(in_order(data, IMAGE, CPU, chunk))
    assert [len(c) for c in chunks[:-1]] == [chunk] * (len(chunks) - 1)
    assert torch.equal(torch.cat(chunks), IMAGE.to_x(data))


def test_bytes_stay_bytes_and_all_else_becomes_network_input_at_once() -> None:
    raw = np.arange(60, dtype=np.uint8).reshape(2, 1, 6, 5)
    data = resident(raw, IMAGE, CPU)
    assert data.dtype == torch.uint8
    assert np.shares_memory(data.numpy(), raw)  # no copy of what may be large
    wide = resident(raw.astype(np.uint16) * 257, IMAGE, CPU)
    assert wide.numpy() == pytest.approx(IMAGE.to_x(data).numpy(), abs=1e-7)
    table = resident(np.array([[1.0, 2, 3]], np.float32), Preprocess((3,), "float32", (1.0, 2, 3), (2.0, 2, 2)), CPU)
    assert table.tolist() == [[0, 0, 0]]


def test_read_only_arrays_are_taken_too() -> None:
    raw = np.zeros((2, 1, 6, 5), np.uint8)
    raw.flags.writeable = False
    assert resident(raw, IMAGE, CPU).shape == (2, 1, 6, 5)

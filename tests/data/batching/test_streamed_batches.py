"""Batches of samples on disk: every sample once an epoch, well mixed, the same from the same seed, read ahead."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus.data.batching.batches import Batches, resident
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.streamed_batches import BLOCKS, StreamedBatches, order_of
from isthmus.data.batching.streamed_tensor import StreamedTensor
from isthmus.data.stored_rows import StoredRows
from isthmus.randomness import generator_for

CPU = torch.device("cpu")
IMAGE = Preprocess((1, 6, 5), "uint8", range=(0.0, 1.0))
X = np.random.default_rng(0).integers(0, 256, (300, 1, 6, 5), dtype=np.uint8)


@pytest.fixture
def stored(tmp_path: Path) -> StoredRows:
    np.save(tmp_path / "x.npy", X)
    return StoredRows(np.load(tmp_path / "x.npy", mmap_mode="r"), np.arange(10, 290))


def streamed(data: StoredRows, **changes: Any) -> StreamedBatches:
    known = {"buffer": 50, "batch_size": 16, "augment": "none", "seed": 0, "device": CPU} | changes
    return StreamedBatches(data, IMAGE, **known)


@given(n=st.integers(1, 300), buffer=st.integers(1, 400), batch_size=st.integers(1, 70), epoch=st.integers(0, 3))
def test_every_sample_comes_once_an_epoch_and_never_alone(n: int, buffer: int, batch_size: int, epoch: int) -> None:
    made = streamed(StoredRows(X[:n]), buffer=buffer, batch_size=batch_size)
    rows = made.rows(epoch)
    assert sorted(torch.cat(rows).tolist()) == list(range(n))
    assert len(rows) == len(made) == len(Batches(torch.zeros(n, 1, 6, 5), IMAGE, batch_size=batch_size, augment="none",
                                                 seed=0, device=CPU))  # fmt: skip
    assert min(map(len, rows)) > 1 or n == 1 or batch_size == 1


def test_a_batch_holds_the_samples_of_its_rows_wherever_they_are_asked_for(stored: StoredRows) -> None:
    made, generator = streamed(stored), generator_for(0)
    for rows in [*made.rows(0), *made.rows(1)[5:9], torch.tensor([3, 279, 0]), made.rows(1)[0][:3]]:
        x = made.take(rows, generator)
        np.testing.assert_allclose(x.numpy(), X[10:290][rows.numpy()] / np.float32(255), rtol=1e-6)


def test_a_batch_is_shifted_as_one_in_memory(stored: StoredRows) -> None:
    made = streamed(stored, augment="shift:1")
    inside = Batches(torch.from_numpy(X[10:290]), IMAGE, batch_size=16, augment="shift:1", seed=0, device=CPU)
    rows = made.rows(0)[3]
    assert torch.equal(made.take(rows, generator_for(5)), inside.take(rows, generator_for(5)))


def test_the_order_follows_from_seed_and_epoch_alone(stored: StoredRows) -> None:
    def order(epoch: int, **changes: Any) -> list[int]:
        made = streamed(stored, **changes)
        made.take(made.rows(epoch + 1)[2], generator_for(0))  # what was asked before does not matter
        return torch.cat(made.rows(epoch)).tolist()

    assert order(0) == order(0)
    assert order(0) != order(1)
    assert order(0) != order(0, seed=1)


def test_a_buffer_mixes_blocks_of_neighbors_from_all_over_the_data() -> None:
    """Of data sorted by ten classes each buffer holds each class as chance would have it for its blocks."""
    n, buffer = 100_000, 10 * BLOCKS
    cuts = order_of(n, buffer, torch.Generator().manual_seed(0))
    blocks = [len(np.unique(cut.numpy() // 10)) for cut in cuts[:-1]]
    assert min(blocks) >= BLOCKS  # in pieces of ten neighbors, whose bounds lie elsewhere in every epoch
    assert max(blocks) <= 2 * (BLOCKS + 2)
    shares = np.stack([np.bincount(cut.numpy() * 10 // n, minlength=10) / len(cut) for cut in cuts[:-1]])
    by_chance = np.sqrt(0.1 * 0.9 / BLOCKS)  # of drawing as many blocks of one class each
    assert shares.std() == pytest.approx(by_chance, rel=0.2)
    first = cuts[0].numpy()
    assert abs(np.corrcoef(np.arange(len(first)), first)[0, 1]) < 0.1  # and within a buffer the order is any


def test_the_next_buffer_is_read_while_this_one_is_trained_on(stored: StoredRows) -> None:
    reading: list[str] = []

    class Watched(StoredRows):
        def __getitem__(self, key: Any) -> Any:
            reading.append(threading.current_thread().name)
            return super().__getitem__(key)

    made = streamed(Watched(stored.source, stored.rows))
    for epoch in range(2):
        for rows in made.rows(epoch):
            made.take(rows, generator_for(0))
    main = threading.main_thread().name
    assert reading.count(main) == 1  # the very first; all others are there when they are needed
    assert len(reading) <= 1 + 2 * -(-280 // 48)


class Counted(StoredRows):
    """Keeps which rows were read."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.seen: list[np.ndarray] = []

    def __getitem__(self, key: Any) -> Any:
        self.seen.append(np.arange(len(self))[key])
        return super().__getitem__(key)


@pytest.mark.parametrize(("n", "size", "batch_size"), [(280, 2, 16), (281, 3, 8), (193, 3, 2)])
def test_each_of_several_processes_has_its_slice_of_the_same_batches(
    stored: StoredRows, n: int, size: int, batch_size: int
) -> None:
    data = StoredRows(stored.source, np.arange(n))
    alone = streamed(data, batch_size=batch_size, augment="shift:1")
    for rank in range(size):
        made = streamed(data, batch_size=batch_size, augment="shift:1", slice_of=partial(slice_of, rank, size))
        for epoch in range(2):
            for rows, wanted in zip(made.rows(epoch), alone.rows(epoch), strict=True):
                assert torch.equal(rows, wanted)
                whole, own = alone.take(rows, generator_for(3)), slice_of(rank, size, len(rows))
                found = made.take(rows, generator_for(3), own=True)
                assert torch.equal(found[own], whole[own])
                assert found.count_nonzero() == whole[own].count_nonzero()
            assert torch.equal(made.take(rows, generator_for(3)), whole)  # all of it, where all is asked for


def slice_of(rank: int, size: int, n: int) -> slice:
    return slice(n * rank // size, n * (rank + 1) // size)


def test_two_processes_read_half_of_the_data_each() -> None:
    """All rows once an epoch, and of the disk's pages few that the other one reads as well."""
    n, page = 40_000, 4  # rows of a page; a block of neighbors has 8
    x = np.zeros((n, 1, 6, 5), np.uint8)

    def pages_of(**changes: Any) -> int:
        data = Counted(x, np.arange(n))
        made = streamed(data, batch_size=500, buffer=8 * BLOCKS, **changes)
        for rows in made.rows(0):
            made.take(rows, generator_for(0), own=True)
        made._thread.shutdown()
        read = data.seen[: made._buffers]  # one more was read ahead, of the next epoch
        assert len(np.unique(np.concatenate(read))) == sum(map(len, read)) == made.n_samples * (2 - len(changes)) // 2
        return sum(len(np.unique(rows // page)) for rows in read)

    alone, first, second = (pages_of(**{"slice_of": partial(slice_of, r, 2)} if r < 2 else {}) for r in (2, 0, 1))
    assert first / alone == pytest.approx(0.5, abs=0.05)  # 0.9 if a batch stood in the order in which it was drawn
    assert second / alone == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_a_stand_in_for_a_resident_tensor_gives_what_that_gives(dtype: str) -> None:
    preprocess = Preprocess((4,), dtype, offset=(1.0, 2.0, 3.0, 4.0), scale=(1.0, 0.5, 2.0, 1.0))
    x = np.random.default_rng(0).integers(0, 9, (23, 4)).astype(dtype)
    found, wanted = resident(StoredRows(x), preprocess, CPU), resident(x, preprocess, CPU)
    assert isinstance(found, StreamedTensor)
    assert (len(found), found.shape, found.dtype, found.numel()) == (23, (23, 4), wanted.dtype, 92)
    assert torch.equal(torch.cat(list(found.split(5))), wanted)
    assert torch.equal(torch.cat(list(found[::3].split(2))), wanted[::3])
    assert torch.equal(found[4], wanted[4])
    assert torch.equal(found[torch.tensor([5, 1])], wanted[[5, 1]])
    assert torch.equal(found[2:7], wanted[2:7])

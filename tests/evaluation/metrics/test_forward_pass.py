from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

import tiny
from isthmus.data.batching import batches
from isthmus.evaluation.metrics import forward_pass as module
from isthmus.evaluation.metrics.forward_pass import TEST_NOISE, floors, pass_through
from isthmus.evaluation.metrics.metrics import bce, bce_floor, mse, ssim
from isthmus.models.autoencoder import Model
from isthmus.randomness import generator_for


def made(digits: tiny.Digits, **settings: object) -> tuple[Model, Tensor]:
    """A model of digits, not trained, and 100 of them as a resident tensor."""
    ready = tiny.prepared(digits.samples, **settings)
    return tiny.trainer(ready).model.eval(), torch.from_numpy(digits.x[:100].copy())


def whole(model: Model, data: Tensor, chunk: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(x, x_in, x_hat, z) of the whole set at once, as arithmetic says."""
    generator = generator_for(3, TEST_NOISE, "noise")
    x = data.float() * (1 / 255)
    with torch.no_grad():
        x_in = torch.cat([model.corruption(part, generator).x_in for part in x.split(chunk)])
        params, code = model(x_in)
    return x, x_in, params.sigmoid(), code.z


@pytest.mark.parametrize("noise", ["none", "gaussian:0.1-0.5", "masking:0.3"])
def test_numbers_and_rows_are_those_of_the_whole_set(
    noise: str, digits: tiny.Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "CHUNK", 32)  # 100 samples then are four chunks
    model, data = made(digits, noise=noise)
    x, x_in, x_hat, z = whole(model, data, 32)
    passed = pass_through(model, data, 3, judged=True)
    means = {name: float(values.mean()) for name, values in passed.values.items()}
    expected = {
        "mse": mse(x, x_hat),
        "bce": bce(x, x_hat),
        "bce_floor": bce_floor(x),
        "ssim": float(ssim(x, x_hat).mean()),
    }
    assert means == pytest.approx(expected, rel=1e-6)  # float32, batches of other sizes
    assert passed.z is not None
    torch.testing.assert_close(passed.z, z)
    rows = [70, 3, 99, 3, 31, 32]
    seen = passed.rows(rows)
    for found, all_of_them in zip(seen, (x, x_in, x_hat), strict=True):
        torch.testing.assert_close(found, all_of_them[rows])
    assert torch.equal(seen.x_in, x_in[rows])  # the very same noise
    assert torch.equal(passed.first(40).x_in, x_in[:40])
    assert passed.errors.tolist() == pytest.approx((x - x_hat).square().flatten(1).mean(1).tolist(), rel=1e-5)


def test_asking_for_nothing_gives_nothing(digits: tiny.Digits) -> None:
    model, data = made(digits)
    passed = pass_through(model, data, 0)
    assert len(passed) == 100
    for wanted in (passed.first(0), passed.rows([])):
        assert [part.shape for part in wanted] == [(0, 1, 28, 28)] * 3
    assert passed.values.keys() == {"mse"}  # what a judgment wants besides is not measured for a picture


def test_rows_of_the_first_chunks_do_not_run_through_the_rest(
    digits: tiny.Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "CHUNK", 10)
    model, data = made(digits, noise="gaussian:0.5")
    passed, drawn = pass_through(model, data, 0), []
    noisy = module._noisy

    def counted(*given: object) -> Iterator[tuple[Tensor, Tensor]]:
        for pair in noisy(*given):  # type: ignore[arg-type]
            drawn.append(len(pair[0]))
            yield pair

    monkeypatch.setattr(module, "_noisy", counted)
    passed.rows([3, 25])
    assert drawn == [10, 10, 10]


def test_no_floats_of_the_whole_set_are_kept(digits: tiny.Digits) -> None:
    model, data = made(digits, noise="gaussian:0.5")
    passed = pass_through(model, data, 0, judged=True)
    assert passed.data.dtype == torch.uint8
    kept = [passed.costs, passed.z, *passed.values.values()]
    assert sum(t.nbytes for t in kept if t is not None) < len(data) * (4 + 4 * model.z_size + 8 * 4 + 1)


def test_a_table_has_no_similarity_and_no_floor() -> None:
    ready = tiny.prepared(tiny.table(60))
    model, data = tiny.trainer(ready).model, ready.tensor(ready.splits.train)
    passed = pass_through(model, data, 0, judged=True)
    assert passed.values.keys() == {"mse"}
    assert floors(model, data).tolist() == [0.0] * len(data)


def test_the_floor_is_the_entropy_of_gray_pixels(digits: tiny.Digits) -> None:
    model, data = made(digits)
    x = digits.x[:100].reshape(100, -1) / 255
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = np.nan_to_num(-x * np.log(x)) + np.nan_to_num(-(1 - x) * np.log1p(-x))
    assert floors(model, data).tolist() == pytest.approx(entropy.mean(1).tolist(), rel=1e-5)  # float32


@pytest.mark.parametrize(("n_values", "chunk"), [(4, 2_000), (784, 2_000), (12_288, 341), (196_608, 21), (10**9, 1)])
def test_large_samples_go_in_smaller_chunks(n_values: int, chunk: int) -> None:
    assert batches.chunk_of(n_values) == chunk

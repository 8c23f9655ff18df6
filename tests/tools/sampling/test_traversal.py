from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

import isthmus
import tiny
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.samples import Samples
from isthmus.errors import UsageError
from isthmus.evaluation.figures import strips
from isthmus.models.autoencoder import Model
from isthmus.runs.folder import RunFolder
from isthmus.runs.latent import Latent
from isthmus.tools.sampling.synthesis import _sweep_sheet, traverse
from isthmus.tools.sampling.traversal import (
    BASES,
    ENDS,
    QUANTILES,
    Sweep,
    column_effects,
    movements,
    sweep_units,
    usual_code,
)
from isthmus.training import prepare


@pytest.fixture(scope="module")
def linear() -> tuple[Model, Latent]:
    """A decoder x = W z, so that everything about a sweep is known."""
    ready = tiny.prepared(tiny.table(400), hidden=[], scale="none", likelihood="gaussian")
    model = prepare.fresh_model(ready)
    return model, Latent.build(ready, model)


def weight(model: Model) -> np.ndarray:
    layers = [m for m in model.decoder.modules() if isinstance(m, torch.nn.Linear)]
    assert len(layers) == 1
    return layers[0].weight.detach().numpy()


def test_of_a_linear_decoder_a_unit_moves_the_output_by_its_column(linear: tuple[Model, Latent]) -> None:
    model, latent = linear
    span = np.diff(np.quantile(latent.codes, (0.05, 0.95), axis=0), axis=0)[0]
    expected = np.abs(span) * np.sqrt(np.square(weight(model)).mean(0))
    np.testing.assert_allclose(movements(model, latent, np.arange(4)), expected, rtol=1e-4)
    found = sweep_units(model, latent)
    assert found.units.tolist() == np.argsort(-expected).tolist()
    assert (np.diff(found.movement) <= 0).all()


def test_only_the_swept_unit_changes_and_takes_its_quantiles(linear: tuple[Model, Latent]) -> None:
    model, latent = linear
    base = np.arange(4, dtype=np.float32)
    found = sweep_units(model, latent, [2, 0, 2], base)
    assert sorted(found.units.tolist()) == [0, 2]
    assert found.x.shape == (2, len(QUANTILES), 6)
    for unit, values, x in zip(found.units, found.values, found.x, strict=True):
        np.testing.assert_allclose(values, np.quantile(latent.codes[:, unit], QUANTILES), rtol=1e-6)
        z = np.repeat(base[None], len(QUANTILES), 0)
        z[:, unit] = values
        np.testing.assert_allclose(x, model.decode(z), rtol=1e-6)


def test_the_usual_code_is_a_training_code_nearest_to_the_mean(linear: tuple[Model, Latent]) -> None:
    latent = linear[1]
    found = usual_code(latent)
    away = np.linalg.norm((latent.codes - latent.mean) / latent.std, axis=1)
    np.testing.assert_array_equal(found, latent.codes[away.argmin()])


def test_a_unit_that_is_not_there(linear: tuple[Model, Latent]) -> None:
    with pytest.raises(UsageError, match="there is no unit 4: the code has 4 units") as caught:
        sweep_units(*linear, [0, 4])
    assert caught.value.fix == "choose from 0 to 3"


def test_what_units_do_to_columns_is_counted_by_kind(tmp_path: Path) -> None:
    """Of quantities the change in deviations, of names the share that changes: from codes decoded one by one."""
    rng = np.random.default_rng(0)
    drinks = rng.choice(["tea", "rum"], 120)
    frame = pl.DataFrame({"drink": drinks, "price": np.where(drinks == "tea", 2.0, 5.0) + rng.normal(0, 1, 120)})
    run = isthmus.train(frame, out=tmp_path / "run", show=False, seed=0, epochs=20, z_size=1, threads=1)
    effects = column_effects(run.coder, run.latent, [0])
    assert effects.shape == (1, 2)
    codes = run.latent.codes[:: max(1, len(run.latent.codes) // BASES)][:BASES]
    ends = np.quantile(run.latent.codes[:, 0], ENDS)
    low, high = (run.decode(np.full_like(codes, end)) for end in ends)
    assert effects[0, 0] == pytest.approx((low[:, 0] != high[:, 0]).mean())
    encoding = run.model.preprocess.encoding
    assert encoding is not None
    assert effects[0, 1] == pytest.approx((high[:, 1] - low[:, 1]).mean() * encoding.blocks[1].scale, rel=1e-4)
    traverse(run, tmp_path / "units.png")
    with Image.open(tmp_path / "units.png") as picture:
        assert picture.size[0] > 200


def test_a_sheet_of_transparent_pictures_is_drawn_on_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three units at every quantile, in color with transparency: opaque parts keep their color, (U, Q, 3, H, W)."""
    raw = np.full((3, len(QUANTILES), 4, 8, 8), 255, np.uint8)
    raw[:, :, 1] = 51
    samples = Samples(raw[0], "sprites", alpha=True, says_alpha=True)
    run = SimpleNamespace(model=SimpleNamespace(preprocess=fit_preprocess(samples, "auto")))
    drawn: list[np.ndarray] = []
    monkeypatch.setattr(strips, "sweeps", lambda x, *about: drawn.append(x))
    units = np.arange(3)
    _sweep_sheet(cast(RunFolder, run), Sweep(units, units / 3, np.zeros((3, len(QUANTILES))), raw, np.zeros(3)))
    assert drawn[0].shape == (3, len(QUANTILES), 3, 8, 8)
    np.testing.assert_allclose(drawn[0][1, 2, :, 0, 0], [1, 0.2, 1], rtol=1e-6)

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import tiny
from isthmus.config import ModelConfig
from isthmus.data.batching.split import split
from isthmus.data.objects import read_object
from isthmus.data.samples import Bundle, Samples
from isthmus.recipes import resolve
from isthmus.training import prepare
from isthmus.training.components import Components
from isthmus.training.prepared import Prepared
from isthmus.training.table_choices import (
    FEWEST_TOLD,
    LEAST_STEPS,
    PASSES,
    PATIENCE,
    SHORTCUT,
    fitting_budget,
    fitting_code,
    fitting_widths,
)
from isthmus.training_config import TrainingConfig


def settled(x: np.ndarray, model: dict[str, Any] | None = None, **training: Any) -> Prepared:
    config = resolve({"model": model or {}, "training": {"device": "cpu", "threads": 1} | training})
    return prepare.prepare(config, split(Bundle(Samples(np.asarray(x, np.float32), "x")), seed=0))


def test_code_widths_budget_and_patience_come_from_the_table_and_are_said() -> None:
    ready = settled(tiny.table(200, 9))
    model, training = ready.config.model, ready.config.training
    assert (model.network, model.z_size, model.hidden) == (SHORTCUT, 3, (128, 64))  # from three numbers
    assert (training.steps, training.stall) == (LEAST_STEPS, PATIENCE)
    said = "\n".join(ready.said)
    assert (
        "code of 3 numbers: 3 principal components hold 95% of the variance of 9 columns (change with --z-size)" in said
    )
    assert f"training takes {LEAST_STEPS:,} steps for 160 rows (change with --epochs)" in said


@pytest.mark.parametrize(("K", "size"), [(8, 7), (60, 32)])
def test_a_code_that_holds_less_than_it_should_is_called_the_largest_default(K: int, size: int) -> None:
    equal = Components(torch.zeros(K), torch.ones(K), torch.eye(K))
    found, said = fitting_code(equal, K)
    assert found == size
    assert said.startswith(f"code of {size} numbers, the largest default for {K} columns: ")


@pytest.mark.parametrize(
    ("model", "training"),
    [
        ({"z_size": 7}, {}),
        ({"hidden": (40,)}, {}),
        ({"network": "mlp"}, {}),
        ({"dropout": 0.0}, {}),
        ({}, {"steps": 77}),
        ({}, {"epochs": 5}),
        ({}, {"stall": 0.9}),
    ],
)
def test_what_was_asked_for_wins(model: dict[str, Any], training: dict[str, Any]) -> None:
    found = settled(tiny.table(200, 9), model, **training).config
    assert {name: getattr(found.model, name) for name in model} == model
    assert {name: getattr(found.training, name) for name in training} == training
    if "hidden" in model:
        assert found.model.network == "mlp"


@pytest.mark.parametrize("part", [{"noise": "gaussian:0.5"}, {"bottleneck": "vq:8"}, {"bottleneck": "sparse:0.1"}])
def test_codes_that_are_longer_on_purpose_stay_so(part: dict[str, Any]) -> None:
    found = settled(tiny.table(200, 9), part).config
    assert (found.model.z_size, found.model.network, found.training.steps) == (32, "mlp", 8_000)


def test_the_code_has_fewer_numbers_than_there_are_columns_and_at_most_32() -> None:
    rng = np.random.default_rng(0)
    assert settled(rng.normal(size=(300, 4))).config.model.z_size == 3
    assert settled(rng.normal(size=(100, 200))).config.model.z_size == 32
    assert settled(rng.normal(size=(50, 1))).config.model.z_size == 1


def test_the_network_starts_at_the_principal_components() -> None:
    ready = settled(tiny.table(200, 9))
    x = ready.x(ready.splits.train)
    known = PCA(3, svd_solver="full").fit(x.double())
    linear = known.inverse_transform(known.transform(x.double()))
    with torch.no_grad():
        x_hat = prepare.fresh_model(ready).eval().x_hat(x).double().numpy()
    assert np.square(x_hat - linear).mean() < 0.1 * np.square(x.numpy()).mean()  # the parallel layers start small


@pytest.mark.parametrize(
    ("data", "model"),
    [
        (tiny.table(60), {"bottleneck": "gaussian"}),
        (tiny.table(60), {"likelihood": "gaussian,variance=learned"}),
        (tiny.table(60), {"bottleneck": "gaussian", "likelihood": "gaussian"}),
        (np.where(np.arange(360).reshape(60, 6) % 17, tiny.table(60), np.nan), {}),
        (np.zeros((40, 1, 4, 4), np.uint8) + np.arange(40, dtype=np.uint8)[:, None, None, None], {}),
        (np.random.default_rng(0).normal(size=(40, 1, 4, 4)), {"likelihood": "gaussian"}),
    ],
)
def test_a_linear_path_can_be_asked_for_anywhere(data: np.ndarray, model: dict[str, Any]) -> None:
    settings = {"network": SHORTCUT, "z_size": 3, "hidden": [8], "epochs": 1}
    trainer = tiny.trainer(tiny.prepared(read_object(data).train, **(settings | model)))
    tiny.run(trainer)
    assert np.isfinite(trainer.monitor.history[0]["validation_cost"])


def test_columns_that_have_nothing_to_do_with_each_other_are_said_to_have_not() -> None:
    rng = np.random.default_rng(0)
    wide = "\n".join(settled(rng.normal(size=(200, 2_000))).said)
    assert "no linear relations were found between these 2,000 columns" in wide
    assert "random directions (1.6%)" in wide  # 32 of 2,000
    assert "no linear relations" not in "\n".join(settled(tiny.table(200, 9)).said)
    few = settled(rng.normal(size=(5 * FEWEST_TOLD, 2_000)))
    assert "no linear relations" not in "\n".join(few.said)


@pytest.mark.parametrize(("D", "n", "widths"), [(4, 100, (128, 64)), (60, 500, (256, 128)), (900, 9_000, (512, 256)),
                                               (20_000, 160, (128, 64))])  # fmt: skip
def test_widths_grow_with_the_columns_unless_rows_are_fewer(D: int, n: int, widths: tuple[int, int]) -> None:
    assert fitting_widths(D, n) == widths


@pytest.mark.parametrize(
    ("n", "steps"), [(10, LEAST_STEPS), (64 * 20, PASSES * 20), (64 * 200, 8_000), (10**6, 15_625)]
)
def test_the_budget_is_a_number_of_passes_within_bounds(n: int, steps: int) -> None:
    assert fitting_budget(TrainingConfig(), n)[0].steps == steps


def test_training_stops_once_a_share_of_the_budget_brought_nothing_better(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = tiny.prepared(tiny.table(), epochs=20, stall=0.25)
    trainer = tiny.trainer(ready)
    costs = iter([3.0, 1.0, *[2.0] * 30])
    monkeypatch.setattr("isthmus.training.trainer.mean_cost", lambda *_, **__: next(costs))
    progress = tiny.run(trainer)
    assert (progress.stopped_by, trainer.monitor.epoch, trainer.monitor.best_epoch) == ("patience", 7, 2)


def test_a_plain_choice_of_images_is_not_touched(digits: tiny.Digits) -> None:
    config = resolve({"model": {}, "training": {"device": "cpu", "threads": 1}})
    found = prepare.prepare(config, split(Bundle(digits.samples), seed=0)).config
    assert (found.model.network, found.model.z_size, found.training.stall) == ("mlp", ModelConfig().code_size, None)

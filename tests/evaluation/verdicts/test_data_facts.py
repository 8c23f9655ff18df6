"""What the verdicts know of the data: single values, classes, ranges, and what a unit of the code does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from isthmus.data.batching.preprocess_fitting import fit_preprocess
from isthmus.data.batching.split import Splits
from isthmus.data.samples import Samples
from isthmus.evaluation.metrics.code_usage import unit_effects
from isthmus.evaluation.metrics.forward_pass import pass_through
from isthmus.evaluation.verdicts import data_facts


@pytest.mark.parametrize("row", [0, 17, 99])
def test_fault_95_a_value_that_swallows_the_scale_is_found_where_it_stands(row: int) -> None:
    x = tiny.table(100)
    x[row, 2] = -1e6
    (found,) = data_facts.swallowed(Samples(x, "t", columns=tuple("abcdef")))
    assert (found.column, found.row, found.value) == ("c", str(row), -1e6)
    rest = np.delete(x[:, 2], row).astype(np.float64)
    # its share, from the definition: of the squared deviations from the median
    expected = (1e6 + np.median(x[:, 2])) ** 2
    assert found.share == pytest.approx(expected / (expected + np.square(rest - np.median(x[:, 2])).sum()))


def test_incomes_and_rare_indicators_swallow_no_scale() -> None:
    rng = np.random.default_rng(0)
    rare = np.zeros(500)
    rare[3] = 1.0
    x = np.stack([rng.lognormal(10, 1, 500), rng.exponential(size=500), rare, rng.standard_t(3, 500)], 1)
    assert data_facts.swallowed(Samples(x.astype(np.float32), "t")) == ()


def test_fault_105_classes_are_counted_in_training_and_held_out() -> None:
    def labeled(*labels: int) -> Samples:
        x = np.zeros((len(labels), 2), np.float32)
        return Samples(x, "t", labels=np.array(labels, np.int64), classes=("a", "b", "c"))

    splits = Splits(labeled(0, 0, 1), labeled(0, 2), labeled(1, -1, -1))
    assert data_facts.classes_of(splits) == {"a": (2, 1), "b": (1, 1), "c": (0, 1), "": (0, 2)}


def test_fault_93_the_part_of_the_range_that_images_use_single_ones_apart() -> None:
    x = np.full((200, 1, 4, 4), 0.42, np.float32) + np.linspace(0, 0.05, 16, dtype=np.float32).reshape(4, 4)
    x[7] = 1.0
    train = Samples(x, "t")
    spans = data_facts.spans(train, fit_preprocess(train, "auto"))
    assert spans is not None
    assert spans == pytest.approx((0.42, 1.0, 0.42, 0.47), abs=1e-6)  # float32
    assert data_facts.spans(train, fit_preprocess(train, "minmax")) is None
    bytes_ = Samples((x * 255).astype(np.uint8), "t")
    spans = data_facts.spans(bytes_, fit_preprocess(bytes_, "auto"))
    assert spans is not None
    assert spans[2:] == pytest.approx((0.42, 0.47), abs=1 / 255)  # one gray level


def test_the_effect_of_a_unit_is_what_a_linear_decoder_loses_without_it() -> None:
    ready = tiny.prepared(tiny.table(300), recipe="linear", z_size=3, epochs=60)
    trainer = tiny.trainer(ready)
    tiny.run(trainer)
    model = trainer.model.eval()
    passed = pass_through(model, ready.tensor(ready.splits.test), 0)
    effects = unit_effects(model, passed)
    assert effects is not None
    assert passed.z is not None
    x, z = ready.x(ready.splits.test).double(), passed.z.double()
    weight = model.decoder(torch.eye(3)).detach() - model.decoder(torch.zeros(1, 3)).detach()
    error = model.x_hat(x.float()).detach().double() - x
    # ||e - d w||^2 - ||e||^2 by hand, for d how far the unit lies from its mean and w what it adds to each column
    for k in range(3):
        taken = (z[:, k] - z[:, k].mean())[:, None] * weight[k].double()
        expected = ((error - taken).square() - error.square()).mean()
        assert effects[k] == pytest.approx(float(expected), rel=1e-3)  # float32 in the decoder

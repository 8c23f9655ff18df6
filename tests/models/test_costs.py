from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import tiny
from isthmus.errors import UsageError
from isthmus.models.costs import mean_cost, objective, penalty_weights, risen, sample_costs, with_terms
from isthmus.parts.corruptions import Pair
from isthmus.randomness import generator_for
from isthmus.training_config import TrainingConfig

CPU = torch.device("cpu")


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "laplace"])
def test_the_optimizer_sees_the_cost_per_pixel_that_people_read(likelihood: str, digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, likelihood=likelihood)
    model, x = tiny.trainer(ready).model, ready.x(ready.splits.test)
    with torch.no_grad():
        output = model(x)
        found = objective(model, Pair(x, x), output, {})
        reference = {"bernoulli": F.binary_cross_entropy, "gaussian": F.mse_loss, "laplace": F.l1_loss}[likelihood]
        expected = reference(model.x_hat(x), x)
    assert float(found) == pytest.approx(float(expected), rel=1e-4)  # float32, through a sigmoid


def test_a_weight_says_which_values_count(digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, likelihood="gaussian")
    model, x = tiny.trainer(ready).model, ready.x(ready.splits.test)
    with torch.no_grad():
        output = model(x)
        left = torch.zeros_like(x)
        left[..., :14] = 1
        halves = [objective(model, Pair(x, x, weight), output, {}) for weight in (left, 1 - left)]
        whole = objective(model, Pair(x, x), output, {})
    offset = 2 * model.likelihood.offset  # readable subtracts it once for each half
    assert float(sum(halves)) + offset == pytest.approx(float(whole), rel=1e-4)


def test_costs_of_samples_are_in_their_order_whatever_the_chunks(
    digits: tiny.Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tiny.prepared(digits.samples, likelihood="gaussian")
    model, data = tiny.trainer(ready).model, ready.tensor(ready.splits.train)
    model.train()
    costs = sample_costs(model, data, CPU, 0, "test")
    assert model.training
    x = ready.x(ready.splits.train)
    with torch.no_grad():
        expected = (model.x_hat(x) - x).square().flatten(1).mean(1)
    assert costs.numpy() == pytest.approx(expected.numpy(), rel=1e-4)
    assert mean_cost(model, data, CPU, 0, "test") == pytest.approx(float(expected.mean()), rel=1e-5)


def test_noise_in_validation_is_fixed_by_seed_and_purpose(digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, noise="gaussian:0.5")
    model, data = tiny.trainer(ready).model, ready.tensor(ready.splits.test)
    with tiny.assert_global_generator_untouched():
        first = sample_costs(model, data, CPU, 0, "validation")
    assert torch.equal(sample_costs(model, data, CPU, 0, "validation"), first)
    for seed, purpose in ((1, "validation"), (0, "test")):
        assert not torch.equal(sample_costs(model, data, CPU, seed, purpose), first)


def test_a_denoiser_is_measured_against_the_clean_image(digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, noise="masking:1", likelihood="gaussian", output_bias="zero")
    trainer = tiny.trainer(ready)
    model = trainer.model
    for part in (model.encoder, model.decoder):
        for parameter in part.parameters():
            torch.nn.init.zeros_(parameter)
    costs = sample_costs(model, trainer.validation, CPU, 0, "validation")
    clean = ready.splits.validation.x / 255
    assert costs.numpy() == pytest.approx(np.square(clean).mean((1, 2, 3)), rel=1e-5)  # a black answer's error


@pytest.mark.parametrize(
    "settings",
    [
        {"bottleneck": "gaussian"},
        {"bottleneck": "sparse+noise:0.1", "noise": "gaussian:0.5"},
        {"bottleneck": "vq:8", "likelihood": "gaussian", "terms": "contractive"},
        {"terms": "mmd+l2", "likelihood": "laplace,variance=learned"},
    ],
)
def test_validation_is_told_in_what_the_optimizer_sees(settings: dict, digits: tiny.Digits) -> None:
    ready = tiny.prepared(digits.samples, **settings)
    model, x = tiny.trainer(ready).model.eval(), ready.x(ready.splits.train)
    generator = generator_for(0, "test", "noise")
    pair = model.corruption(x, generator)
    with torch.no_grad():
        output = with_terms(model, pair, model(pair.x_in, sample=True, generator=generator), generator)
        expected = objective(model, pair, output, penalty_weights(model))
    found = mean_cost(model, ready.tensor(ready.splits.train), CPU, 0, "test")
    assert found == pytest.approx(float(expected), rel=1e-5)
    assert found == mean_cost(model, ready.tensor(ready.splits.train), CPU, 0, "test")


def test_chunks_leave_no_sample_alone_where_several_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = tiny.prepared(tiny.table(n=130), terms="mmd")  # 104 for training
    model, data = tiny.trainer(ready).model, ready.tensor(ready.splits.train)
    monkeypatch.setattr("isthmus.models.costs.chunk_of", lambda size: 103)
    assert sample_costs(model, data, CPU, 0, "test").shape == (len(data),)


@pytest.mark.parametrize(
    ("done", "settings", "share"),
    [
        (0.0, {}, 1.0),
        (0.0, {"penalty_warmup": 0.2}, 0.0),
        (0.05, {"penalty_warmup": 0.2}, 0.25),
        (0.2, {"penalty_warmup": 0.2}, 1.0),
        (0.9, {"penalty_warmup": 0.2}, 1.0),
        (0.55, {"penalty_warmup": 0.5, "penalty_cycles": 2}, 0.2),  # a tenth into the second cycle of two
        (0.8, {"penalty_warmup": 0.5, "penalty_cycles": 2}, 1.0),
    ],
)
def test_weights_of_penalties_rise_over_the_warm_up(done: float, settings: dict, share: float) -> None:
    found = risen({"kl": 2.0, "l1": 1.0}, done, TrainingConfig(**settings))
    assert found == pytest.approx({"kl": 2.0 * share, "l1": share})


def test_penalties_stand_in_the_history_unweighted_and_count_in_full_whatever_the_warm_up() -> None:
    ready = tiny.prepared(tiny.table(), bottleneck="gaussian", weights={"kl": 0.5}, epochs=2, lr=1e-12)
    warm = tiny.prepared(
        tiny.table(), bottleneck="gaussian", weights={"kl": 0.5}, epochs=2, lr=1e-12, penalty_warmup=1.0
    )
    first, second = tiny.trainer(ready), tiny.trainer(warm)
    tiny.run(first), tiny.run(second)
    model, x = first.model, ready.x(ready.splits.train)
    with torch.no_grad():
        kl = float(model(x).code.penalties["kl"].mean())
    for trainer in (first, second):  # at a rate of 0 nothing changes, so only the weights of the two differ
        assert [row["kl"] for row in trainer.monitor.history] == pytest.approx([kl, kl], rel=1e-4)
        assert [row["log_var_held"] for row in trainer.monitor.history] == [0.0, 0.0]
    assert [row["train_cost"] for row in second.monitor.history] == pytest.approx(
        [row["train_cost"] for row in first.monitor.history], rel=1e-6
    )


@pytest.mark.parametrize("text", ["sparse", "noise:0.1+sparse"])
def test_one_sample_alone_is_refused_before_training_where_a_penalty_looks_at_several(text: str) -> None:
    with pytest.raises(UsageError, match="compares the samples of a batch with each other"):
        tiny.trainer(tiny.prepared(tiny.table(), bottleneck=text, batch_size=1))
    with pytest.raises(UsageError, match="compares the samples of a batch with each other"):
        tiny.trainer(tiny.prepared(tiny.table(n=10), bottleneck=text))  # one sample for validation

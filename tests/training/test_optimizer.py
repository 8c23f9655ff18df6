"""AdamW on flat groups takes the steps of PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.models.autoencoder import Model
from isthmus.training.adamw import AdamW
from isthmus.training.optimizer import adamw
from isthmus.training_config import TrainingConfig

BETAS = (0.9, 0.95)


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))


def divided(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    matrices, vectors = ([p for p in model.parameters() if (p.ndim > 1) is many] for many in (True, False))
    return matrices, vectors


def ours(model: nn.Module) -> AdamW:
    matrices, vectors = divided(model)
    return AdamW([(matrices, 0.02, 0.1), (vectors, 0.01, 0.0)], BETAS)


def theirs(model: nn.Module) -> torch.optim.AdamW:
    matrices, vectors = divided(model)
    groups = [{"params": matrices, "peak": 0.02}, {"params": vectors, "peak": 0.01, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.02, betas=BETAS, weight_decay=0.1, fused=True)


def backward(model: nn.Module, step: int, places: dict[int, torch.Tensor] | None = None) -> None:
    """Sets the gradients of step `step`; in `places`, if given, as layers that write their own gradients do."""
    model.zero_grad()
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(step))
    model(x).square().mean().backward()
    for p in model.parameters() if places else []:
        p.grad = places[id(p)].copy_(p.grad)


def assert_equal_parameters(a: nn.Module, b: nn.Module) -> None:
    for one, other in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


def by_pytorch(optimizer: torch.optim.AdamW, share: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share
    optimizer.step()


@pytest.fixture(params=["kernel", "no kernel"], autouse=True)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tests PyTorch as it is, and without its private function."""
    if request.param != "kernel":
        monkeypatch.setattr("isthmus.training.flat_group.KERNEL", "_taken_away_")
    return request.param


@pytest.mark.parametrize("placed", [True, False])
def test_steps_equal_those_of_pytorch_through_a_reload(placed: bool) -> None:
    model, other = network(), network()
    optimizer, plain = ours(model), theirs(other)
    for step, share in enumerate([0.5, 1.0, 0.7, 0.3, 0.1]):
        if step == 3:  # the state goes to disk and back, as in a resumed run
            kept = {name: value.clone() for name, value in optimizer.tensors().items()}
            optimizer = ours(model)
            optimizer.restore(kept)
        backward(model, step, optimizer.places() if placed else None)
        backward(other, step)
        optimizer.step(share)
        by_pytorch(plain, share)
    assert_equal_parameters(model, other)
    assert {float(v) for name, v in optimizer.tensors().items() if name.endswith("step")} == {5.0}


def test_the_state_has_the_names_and_shapes_of_pytorchs_own() -> None:
    model, other = network(), network()
    optimizer, plain = ours(model), theirs(other)
    backward(model, 0)
    backward(other, 0)
    optimizer.step(1.0)
    by_pytorch(plain, 1.0)
    state = plain.state_dict()["state"]
    expected = {f"{i}.{name}": value for i, values in state.items() for name, value in values.items()}
    found = optimizer.tensors()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize("missing", [0, 2])
def test_a_layer_without_gradient_is_passed_over(missing: int, placed: bool) -> None:
    model, other = network(), network()
    optimizer, plain = ours(model), theirs(other)
    for step in range(6):
        backward(model, step, optimizer.places() if placed else None)
        backward(other, step)
        if step == missing:
            for each in (model, other):
                each[2].weight.grad = each[2].bias.grad = None
        optimizer.step(1.0)
        by_pytorch(plain, 1.0)
    assert_equal_parameters(model, other)


@pytest.mark.parametrize("placed", [True, False])
def test_found_inf_leaves_weights_and_counts_and_grad_scale_divides(placed: bool, kernel: str) -> None:
    if kernel != "kernel":
        assert not ours(network()).is_fused  # so the loop checks the numbers itself
        return
    model, other = network(), network()
    optimizer, plain = ours(model), theirs(other)
    for step, bad in enumerate([0.0, 0.0, 1.0, 0.0]):
        backward(model, step, optimizer.places() if placed else None)
        optimizer.step(1.0, grad_scale=torch.tensor(4.0), found_inf=torch.tensor(bad))
        if not bad:
            backward(other, step)
            for p in other.parameters():
                p.grad.div_(4.0)  # exact: a power of two
            by_pytorch(plain, 1.0)
    assert_equal_parameters(model, other)
    assert {float(v) for name, v in optimizer.tensors().items() if name.endswith("step")} == {3.0}


@pytest.mark.parametrize("placed", [True, False])
def test_the_norm_is_that_of_all_gradients(placed: bool) -> None:
    model = network()
    optimizer = ours(model)
    backward(model, 0, optimizer.places() if placed else None)
    expected = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    torch.testing.assert_close(optimizer.norm(), expected)


def test_released_weights_keep_their_values_and_are_counted_as_changed() -> None:
    model = network()
    optimizer = ours(model)
    before = [p._version for p in model.parameters()]
    backward(model, 0)
    optimizer.step(1.0)
    values = [p.detach().clone() for p in model.parameters()]
    optimizer.release()
    for p, value, version in zip(model.parameters(), values, before, strict=True):
        assert torch.equal(p, value)
        assert p._version > version
        assert p.untyped_storage().nbytes() == p.nbytes
    backward(model, 1)
    optimizer.step(1.0)  # gathers them again
    assert not torch.equal(next(model.parameters()), values[0])


def test_complex_weights_learn_as_those_of_pytorch(kernel: str) -> None:
    start = torch.complex(torch.linspace(-1, 1, 6), torch.linspace(2, 0, 6)).reshape(2, 3)
    one, other = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizer = AdamW([([one], 0.02, 0.1)], BETAS)
    plain = torch.optim.AdamW([other], lr=0.02, betas=BETAS, weight_decay=0.1, foreach=False)
    for _ in range(3):
        for p in (one, other):
            p.grad = None
            (p.abs() ** 3).sum().backward()
        optimizer.step(1.0)
        plain.step()
    torch.testing.assert_close(one.detach(), other.detach(), rtol=1e-6, atol=1e-7)


def groups_of(optimizer: AdamW, what: str) -> dict[int, float]:
    return {id(p): getattr(group, what) for group in optimizer.groups for p in group.parameters}


@pytest.mark.parametrize("decay", ["matrices", "all"])
def test_every_weight_is_trained_and_biases_are_decayed_only_where_asked(decay: str) -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 4))
    module[2].weight.requires_grad_(False)
    model = Model(ModelConfig(likelihood="gaussian"), Preprocess((4,), "float32"), own=module)
    optimizer = adamw(model, TrainingConfig(decay=decay, weight_decay=0.3))  # type: ignore[arg-type]
    expected = {id(p): 0.3 if p.ndim > 1 or decay == "all" else 0.0 for p in model.parameters() if p.requires_grad}
    assert groups_of(optimizer, "decay") == expected


def test_the_decoders_matrices_have_a_decay_of_their_own_where_asked() -> None:
    model = Model(ModelConfig(hidden=(5,), z_size=2, likelihood="gaussian"), Preprocess((4,), "float32"))
    optimizer = adamw(model, TrainingConfig(weight_decay=0.03, decoder_decay=0.5))
    parts = [(model.encoder, 0.03), (model.decoder, 0.5)]
    expected = {id(p): decay if p.ndim > 1 else 0.0 for part, decay in parts for p in part.parameters()}
    assert groups_of(optimizer, "decay") == expected


def test_only_the_first_layers_weights_learn_at_the_input_rate() -> None:
    config = ModelConfig(hidden=(5, 3), z_size=2, likelihood="gaussian")
    model = Model(config, Preprocess((4,), "float32"))
    optimizer = adamw(model, TrainingConfig(lr=0.01, input_lr=0.4))
    first = next(p for p in model.encoder.parameters() if p.shape == (5, 4))
    assert groups_of(optimizer, "peak") == {id(p): 0.01 * 0.4 if p is first else 0.01 for p in model.parameters()}


def test_layers_beside_a_path_that_stays_learn_slowly() -> None:
    settings = TrainingConfig(lr=0.06, input_lr=0.5, decay="matrices")
    config = ModelConfig(network="conv,shortcut=true", hidden=(4,), z_size=3, likelihood="gaussian")
    model = Model(config, Preprocess((1, 16, 16), "uint8", range=(0.0, 1.0)))
    peaks = groups_of(adamw(model, settings), "peak")
    named = dict(model.named_parameters())
    first = "encoder.1.layers.1.weight"
    assert set(peaks) == {id(p) for p in named.values()}
    assert peaks[id(named[first])] == pytest.approx(0.005)
    assert {round(peaks[id(p)], 6) for name, p in named.items() if name != first} == {0.01}

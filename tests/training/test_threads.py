from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import tiny
from isthmus.models.autoencoder import Model
from isthmus.training import threads
from isthmus.training.prepare import fresh_model, settle_threads
from isthmus.training.prepared import Prepared
from isthmus.training.threads import pick_threads


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def ready(**settings: object) -> tuple[Prepared, Model, torch.Tensor]:
    prepared = tiny.prepared(tiny.table(), **{"threads": "none"} | settings)
    return prepared, fresh_model(prepared), prepared.x(prepared.splits.train)


@pytest.mark.parametrize(("one", "two", "picked"), [(1.0, 2.0, 1), (1.0, 1.0, 1), (1.05, 1.0, 1), (1.2, 1.0, 2)])
def test_more_threads_must_be_clearly_faster(
    one: float, two: float, picked: int, two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, model, x = ready()
    monkeypatch.setattr(threads, "_step", lambda *_: {1: one, 2: two}[torch.get_num_threads()])
    assert pick_threads(model, x, prepared.config.training) == picked
    assert torch.get_num_threads() == 2


def test_one_slow_step_does_not_decide(two_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, model, x = ready()
    times = iter([9.0, 1.0, 1.0, 1.0, 1.0, 9.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr(threads, "_step", lambda *_: next(times))
    assert pick_threads(model, x, prepared.config.training) == 1


def test_trying_leaves_the_model_and_the_global_generator_as_they_were(two_threads: None) -> None:
    prepared, model, x = ready(dropout=0.5, noise="gaussian:1")
    before = tiny.weights(model)
    with tiny.assert_global_generator_untouched():
        assert pick_threads(model, x, prepared.config.training) in {1, 2}
    tiny.assert_equal_weights(tiny.weights(model), before)
    assert all(p.grad is None for p in model.parameters())


def test_the_threads_are_put_back_after_an_error(two_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, model, x = ready()

    def fail(*_: object) -> float:
        raise MemoryError

    monkeypatch.setattr(threads, "_step", fail)
    with pytest.raises(MemoryError):
        pick_threads(model, x, prepared.config.training)
    assert torch.get_num_threads() == 2


def test_the_choice_is_written_into_the_configuration_and_a_given_one_is_kept(
    two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.training.prepare.pick_threads", lambda *_: 2)
    assert settle_threads(*ready()[:2]).config.training.threads == 2
    assert settle_threads(*ready(threads=1)[:2]).config.training.threads == 1
    torch.set_num_threads(1)
    monkeypatch.undo()
    assert settle_threads(*ready()[:2]).config.training.threads == 1


@pytest.mark.parametrize("settings", [{}, {"precision": "bfloat16"}, {"recipe": "seed"}], ids=str)
def test_fault_50_the_same_number_of_threads_gives_the_same_weights(
    settings: dict, two_threads: None, digits: tiny.Digits
) -> None:
    """The promise of the module's docstring, for the layer sizes of the recipes."""
    found: dict[int, list[dict]] = {1: [], 2: []}
    for n in (1, 2, 1, 2):
        torch.set_num_threads(n)
        ready = tiny.prepared(digits.samples, hidden=[512, 256], z_size=32, epochs=1, **settings)
        trainer = tiny.trainer(ready)
        tiny.run(trainer)
        found[n].append(tiny.weights(trainer.model))
    for n in (1, 2):
        tiny.assert_equal_weights(*found[n])
    for name, value in found[1][0].items():  # sums in another order: 1e-3 was seen in bfloat16
        torch.testing.assert_close(found[2][0][name], value, atol=0.01, rtol=0.01)

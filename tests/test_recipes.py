from __future__ import annotations

import pytest

from isthmus.config import Config
from isthmus.errors import UsageError
from isthmus.parts.networks import usual_widths
from isthmus.recipes import RECIPES, resolve


def test_the_recipe_seed_is_the_notebook_word_for_word() -> None:
    config = resolve({"recipe": "seed"})
    m, t = config.model, config.training
    assert (m.network, m.z_size, m.activation, m.bottleneck) == ("mlp", 32, "sigmoid", "sigmoid")
    assert (m.hidden or usual_widths(m.network, (1, 28, 28))) == (512, 256)
    assert (m.init, m.output_bias, m.dropout, m.noise, m.likelihood) == ("framework", "zero", 0.0, "none", "auto")
    assert (t.batch_size, t.lr, t.schedule, t.epochs, t.patience) == (64, 1e-3, "constant", 40, 5)
    # AdamW's own defaults in PyTorch, which decays biases too
    assert (t.betas, t.weight_decay, t.decay, t.clip, t.augment) == ((0.9, 0.999), 0.01, "all", None, "none")


def test_the_defaults_are_the_recipe_modern() -> None:
    assert resolve() == resolve({"recipe": "modern"}) == Config()


def test_layers_win_over_the_recipe_and_leave_the_rest() -> None:
    config = resolve({"recipe": "seed", "model": {"z_size": 8}}, {"model": {"activation": "relu"}})
    assert (config.model.z_size, config.model.activation, config.model.bottleneck) == (8, "relu", "sigmoid")
    assert config.recipe == "seed"
    assert resolve({"recipe": "modern"}, {"recipe": "seed"}).training.patience == 5


def test_a_budget_in_steps_overrides_the_epochs_of_the_recipe() -> None:
    assert resolve({"recipe": "seed", "training": {"steps": 500}}).training.epochs is None
    both = resolve({"recipe": "seed", "training": {"steps": 500, "epochs": 3}})
    assert (both.training.steps, both.training.epochs) == (500, 3)


@pytest.mark.parametrize("name", ["sead", "", ["seed"], 3])
def test_unknown_recipes_are_refused_with_the_known_ones(name: object) -> None:
    with pytest.raises(UsageError, match="unknown recipe") as caught:
        resolve({"recipe": name})
    assert all(known in str(caught.value.fix) for known in RECIPES)

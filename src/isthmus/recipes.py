"""Recipes: the five parts and the training settings under one name. A recipe is at most 15 lines, never a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from isthmus.config import Config
from isthmus.errors import unknown
from isthmus.settings import build, merge

Settings = dict[str, Any]


def modern() -> Settings:
    """The notebook's layer sizes with everything else chosen by experiment (docs/experiments.md)."""
    return {}  # the defaults in config.py are this recipe, each with its reason in docs/experiments.md


def seed() -> Settings:
    """The teaching notebook word for word: sigmoid after every layer, BCE, AdamW 1e-3, patience 5, up to 40 epochs."""
    model = {"network": "mlp", "activation": "sigmoid", "bottleneck": "sigmoid", "init": "framework"}
    training = {
        "epochs": 40,
        "lr": 1e-3,
        "input_lr": 1.0,
        "schedule": "constant",
        "betas": (0.9, 0.999),
        "patience": 5,
        "weight_decay": 0.01,
        "decay": "all",
    }
    plain = {"clip": None, "augment": "none", "precision": "float32"}
    return {"model": model | {"output_bias": "zero"}, "training": training | plain}


def vae() -> Settings:
    """Variational autoencoder: a code that can be drawn from N(0, I). Kingma and Welling 2014, arXiv:1312.6114."""
    return {"model": {"bottleneck": "gaussian"}}


RECIPES: dict[str, Callable[[], Settings]] = {"modern": modern, "seed": seed, "vae": vae}


def resolve(*layers: Mapping[str, Any], where: str = "settings") -> Config:
    """One checked configuration: defaults, then the recipe that the layers name, then the layers in their order.

    A budget in steps that a layer gives overrides the epochs of the recipe.

    Raises: UsageError for unknown recipes and settings, and for values out of bounds.
    """
    given = merge(*layers)
    name = str(given.get("recipe", "modern"))
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    start = RECIPES[name]()
    training = given.get("training", {})
    if "steps" in training and "epochs" not in training:
        start = merge(start, {"training": {"epochs": None}})
    return build(merge(start, given), where=where)

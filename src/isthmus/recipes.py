"""Recipes: the five parts and the training settings under one name. A recipe has at most 15 lines, never a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from isthmus.config import Config
from isthmus.errors import UsageError, unknown
from isthmus.settings import build, merge

Settings = dict[str, Any]
PAIRS = "pairs"  # the noise setting for data with clean targets


def modern() -> Settings:
    """The notebook's layer sizes; everything else is chosen by experiment (docs/experiments.md)."""
    return {}  # the defaults in config.py are this recipe, each with its reason in docs/experiments.md


def seed() -> Settings:
    """The teaching notebook, reproduced exactly: sigmoid everywhere, BCE, AdamW 1e-3, patience 5, up to 40 epochs."""
    model = {"network": "mlp", "z_size": 32, "activation": "sigmoid", "bottleneck": "sigmoid", "init": "framework"}
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
    plain = {"clip": None, "augment": "none"}
    return {"model": model | {"output_bias": "zero", "dropout": 0.0}, "training": training | plain}


def vae() -> Settings:
    """Variational autoencoder: a code that can be drawn from N(0, I). Kingma and Welling 2014, arXiv:1312.6114."""
    return {"model": {"bottleneck": "gaussian"}}


def beta_vae() -> Settings:
    """VAE with a KL weight of 4: fewer, more independent units. Higgins et al. 2017, ICLR (β-VAE)."""
    return {"model": {"bottleneck": "gaussian", "weights": {"kl": 4.0}}}


def sparse() -> Settings:
    """Sparse autoencoder: a sigmoid code, a tenth of it active at a time. Ng 2011, Stanford CS294A, section 3."""
    return {"model": {"bottleneck": "sparse:0.1"}}


def contractive() -> Settings:
    """Contractive autoencoder: a code that changes little when the input does. Rifai et al. 2011, ICML."""
    return {"model": {"terms": "contractive"}}


def wae() -> Settings:
    """Wasserstein autoencoder: MMD pulls the codes towards N(0, I). Tolstikhin et al. 2018, arXiv:1711.01558."""
    return {"model": {"terms": "mmd"}}


def rae() -> Settings:
    """Regularized autoencoder: small codes and small decoder weights. Ghosh et al. 2020, arXiv:1903.12436."""
    return {"model": {"terms": "l2"}, "training": {"decoder_decay": 0.1}}


def vqvae() -> Settings:
    """VQ-VAE: a code of tokens, each one of 512 learned codewords. van den Oord et al. 2017, arXiv:1711.00937."""
    return {"model": {"bottleneck": "vq:512"}}


def fsq() -> Settings:
    """Finite scalar quantization: each number of the code has five levels. Mentzer et al. 2024, arXiv:2309.15505."""
    return {"model": {"bottleneck": "fsq:5"}}


def masked() -> Settings:
    """Masked autoencoder: reconstructs the input from 40% of its patches. He et al. 2022, arXiv:2111.06377."""
    return {"model": {"noise": "masking:0.6,patch=auto"}}


def linear() -> Settings:
    """Linear networks and squared error, which converge to PCA: a check. Baldi and Hornik 1989, Neural Networks 2."""
    model = {"network": "mlp", "hidden": (), "activation": "linear", "init": "framework", "likelihood": "gaussian"}
    return {"model": model, "training": {"augment": "none", "weight_decay": 0.0, "input_lr": 1.0}}


def photo() -> Settings:
    """Denoiser for photographs of any size: a U-Net without a code. Mohan et al. 2020, arXiv:1906.05478."""
    model = {"network": "unet", "noise": "gaussian:0-0.2,clip=false", "likelihood": "gaussian", "init": "he-normal"}
    training = {"steps": 20_000, "batch_size": 16, "lr": 1.2e-3, "input_lr": 1.0, "weight_decay": 0.0}
    training |= {"augment": "none", "average": 0.999}  # over 1,000 steps, a twentieth of the budget
    return {"data": {"whole": True}, "model": model, "training": training}


def fast() -> Settings:
    """The notebook's quality in a second instead of minutes: layers start at PCA's components. docs/speedrun.md"""
    training = {"steps": 60, "lr": 8e-3, "input_lr": 0.3, "warmup": 0.1, "betas": (0.7, 0.9), "augment": "none"}
    return {"model": {"network": "mlp", "init": "components"}, "training": training}


def best() -> Settings:
    """Convolutions: the lowest error on gray images after 15 minutes on two cores. docs/experiments.md"""
    return {"model": {"network": "conv", "hidden": (32, 64)}, "training": {"steps": 42_000}}


RECIPES: dict[str, Callable[[], Settings]] = {
    "modern": modern,
    "seed": seed,
    "vae": vae,
    "beta-vae": beta_vae,
    "sparse": sparse,
    "contractive": contractive,
    "wae": wae,
    "rae": rae,
    "vqvae": vqvae,
    "fsq": fsq,
    "masked": masked,
    "linear": linear,
    "fast": fast,
    "best": best,
    "photo": photo,
}


def resolve(*layers: Mapping[str, Any], where: str = "settings") -> Config:
    """One validated configuration: the defaults, then the recipe that the layers name, then the layers in order.

    A budget in steps in a layer overrides the recipe's epochs.

    Raises: UsageError for unknown recipes and settings, and for values out of bounds.
    """
    given = merge(*layers)
    name = str(given.get("recipe", "modern"))
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    start = RECIPES[name]()
    given = _with_pairs(given)
    training = given.get("training", {})
    if "steps" in training and "epochs" not in training:
        start = merge(start, {"training": {"epochs": None}})
    return build(merge(start, given), where=where)


def _with_pairs(given: Settings) -> Settings:
    """The same settings, with the noise "pairs" if there is a target, which no recipe can know.

    Raises: UsageError for a target together with other noise, and for pairs without a target.
    """
    target, noise = given.get("data", {}).get("target"), given.get("model", {}).get("noise")
    if target in (None, "none"):
        if noise == PAIRS:
            message = "--noise pairs needs the clean samples for the noisy ones."
            raise UsageError("USAGE-PAIRS", message, fix="pass them with --target, and leave out --noise")
        return given
    if noise not in (None, PAIRS):
        message = f"--noise {noise} cannot be used with --target: the data already contains noise."
        raise UsageError("USAGE-PAIRS", message, fix="leave out --noise")
    return merge(given, {"model": {"noise": PAIRS}})

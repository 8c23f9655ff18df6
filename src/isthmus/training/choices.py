"""What `auto` stands for: the network, the likelihood and the augmentation that fit the data."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from isthmus.config import STEPS, Z_SIZE, ModelConfig, TrainingConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.samples import Samples
from isthmus.errors import UsageError
from isthmus.parts.convolutions import SMALLEST, check_sides
from isthmus.parts.networks import AUTO, fitting_network, is_without_code, usual_widths
from isthmus.registry import alternatives, joined, parse
from isthmus.training.noise_estimate import estimate_noise
from isthmus.wording import counted, widths

# Passes over the training images from which random shifts help, see docs/experiments.md: one pass with shifts cost
# 0.0009 of BCE, three 0.0002, ten gained 0.0005; at 160 passes over 1,600 images two pixels beat one and three.
ONE_PIXEL_FROM, TWO_PIXELS_FROM = 5, 41
HELD = 0.95  # of the variance; the rest is mostly what columns do not share
# On the validation rows of three tables 160 passes with dropout tell hidden cells better than 80 without it, and know
# what they were trained on less by heart; see docs/experiments.md.
PASSES = 160
DROPOUT = 0.1  # 0.2 tells hidden cells no better, and those that are seen worse
OFTEN = 40  # passes: rows that come less often are hardly learned by heart, and dropout would only slow the learning
LOOKED_AT = 20_000  # rows that show the variances of a table
# Hidden units of a table of columns of several kinds; on orders.csv twice the narrowest is not better and slower.
NARROWEST, WIDEST = 128, 512
Z_SIZE_OF_DENOISERS = 64  # of images: 0.0818 instead of 0.0849 of validation BCE, docs/experiments.md
SHIFT_UNTIL = 0.9  # the last tenth sees images as they are: at forty passes 0.0004 better than never


def settle_network(model: ModelConfig, preprocess: Preprocess) -> tuple[ModelConfig, list[str]]:
    """The same with a network and its widths, and what is to be said of a choice that was not the user's.

    Raises: DataError for images that the network cannot take.
    """
    shape, text = preprocess.shape, model.network
    noisy = is_denoiser(model) and model.hidden is None  # widths that were asked for are those of the mlp
    network = fitting_network(shape, noisy=noisy) if text == AUTO else text
    hidden = usual_widths(network, shape) if model.hidden is None else model.hidden
    if is_without_code(network) and len(shape) != 3:
        raise UsageError("USAGE-NETWORK", "unet takes images, and this is a table.", fix="choose another recipe")
    if parse(network)[0] == "conv":
        check_sides(shape)
    if preprocess.encoding is not None and model.hidden is None and network == "mlp":
        hidden = _widths(preprocess.size)
    settled = replace(model, network=network, hidden=hidden)
    if text != AUTO or network == "mlp":
        return settled, []
    noun = "noisy images" if fitting_network(shape) == "mlp" else f"{'color' if shape[0] > 1 else 'gray'} images"
    kind = f"{noun} of {shape[1]}x{shape[2]}"
    return settled, [f"network {network} for {kind}: {widths(network, hidden)} (--network mlp: fully connected)"]


def _takes_longer(model: ModelConfig, shape: tuple[int, ...]) -> bool:
    """Whether images that would get the network mlp got conv, for their noise."""
    chosen = model.network == AUTO and model.hidden is None
    return chosen and fitting_network(shape, noisy=is_denoiser(model)) != fitting_network(shape)


def is_denoiser(model: ModelConfig) -> bool:
    """Whether a code has to tell what noise covers. Of masked pixels it tells what it guesses, which was not tried."""
    kinds = {parse(part)[0] for one in alternatives(model.noise) for part in joined(one)}
    return not (kinds & {"none", "masking"} or is_without_code(model.network))


def is_unknown(noise: str) -> bool:
    """Whether no clean image exists."""
    return parse(noise)[0] == "unknown"


def settle_noise(model: ModelConfig, x: Tensor) -> tuple[ModelConfig, list[str]]:
    """The same with how far apart `--noise unknown` takes its pixels, and what is estimated of the noise of x (N, C, H,
    W), network input that nobody knows clean.

    Raises: UsageError for networks that do not take images of half the size, and for another cost than squared error.
    """
    _, given, options = parse(model.noise)
    if not is_without_code(model.network):
        message = f"--noise unknown trains on halves of images, which the network {model.network} cannot take."
        raise UsageError("USAGE-NOISE", message, fix="pass --recipe photo")
    if model.likelihood not in {"auto", "gaussian"}:
        message = f"--noise unknown is learned by squared errors, not by --loss {model.likelihood}."
        raise UsageError("USAGE-NOISE", message, fix="leave --loss out, or pass --loss gaussian")
    estimate = estimate_noise(x)
    if given not in (None, "auto") or options:
        return model, [estimate.sentence(chosen=True)]
    return replace(model, noise=f"unknown:{estimate.apart}"), [estimate.sentence()]


def _widths(D: int) -> tuple[int, int]:
    """Of the hidden layers where columns are of several kinds: four times the values of x, a power of 2 in bounds."""
    first = min(max(2 ** math.ceil(math.log2(4 * D)), NARROWEST), WIDEST)
    return first, first // 2


def settle_code(model: ModelConfig, train: Samples, preprocess: Preprocess) -> tuple[ModelConfig, list[str]]:
    """The same with a size of its code, and what is to be said of it where columns are of several kinds.

    For images that are to be cleaned a longer one than else. For such columns as many numbers as principal components
    hold `HELD` of the variance of x, and fewer than there are columns: a code as wide as the table could hold every
    cell, and would tell nothing of how they go together.
    """
    if model.z_size is not None or preprocess.encoding is None:
        large = preprocess.is_image and min(preprocess.shape[1:]) >= SMALLEST
        longer = model.z_size is None and large and is_denoiser(model)
        return replace(model, z_size=Z_SIZE_OF_DENOISERS if longer else model.code_size), []
    x = preprocess.to_x(torch.from_numpy(train.x[:: -(-len(train) // LOOKED_AT)])).double()
    variances = torch.linalg.eigvalsh(torch.cov(x.T)).flip(0).clamp(min=0)
    shares = variances.cumsum(0) / variances.sum().clamp(min=1e-12)
    needed, K = int((shares < HELD).sum()) + 1, len(preprocess.encoding.blocks)
    size = max(1, min(needed, K - 1, Z_SIZE))
    why = f"{counted(needed, 'principal component')} hold {HELD:.0%} of the variance of {counted(K, 'column')}"
    return replace(model, z_size=size), [f"code of {counted(size, 'number')}: {why} (--z-size: another)"]


def settle_budget(
    training: TrainingConfig, model: ModelConfig, n: int, preprocess: Preprocess
) -> tuple[TrainingConfig, list[str]]:
    """The same with a number of steps, and what is to be said of it; where columns are of several kinds, with at most
    `PASSES` passes over n rows.

    More of them learn few rows by heart: see docs/experiments.md.
    """
    if training.steps is None and training.epochs is None and _takes_longer(model, preprocess.shape):
        steps = STEPS // 2  # of conv, which after 3,000 of mnist-2k is 0.8 dB above what mlp reaches with 8,000
        said = f"training takes {steps:,} steps, half of the usual: each takes twice as long (--epochs: another number)"
        return replace(training, steps=steps), [said]
    asked, training = training.steps is not None, replace(training, steps=training.budget)
    per_epoch = -(-n // min(training.batch_size, n))
    most = PASSES * per_epoch
    if asked or preprocess.encoding is None or training.epochs is not None or training.budget <= most:
        return training, []
    said = f"training passes {PASSES} times over {n:,} rows, {most:,} steps (--epochs: another number)"
    return replace(training, epochs=PASSES), [said]


def settle_dropout(model: ModelConfig, training: TrainingConfig, n: int, preprocess: Preprocess) -> ModelConfig:
    """The same with dropout where columns are of several kinds, no code is drawn, and each of n rows comes often."""
    if model.dropout is not None:
        return model
    few = preprocess.encoding is not None and passes(training, n) >= OFTEN
    return replace(model, dropout=DROPOUT if few and not _draws(model) else 0.0)


def _draws(model: ModelConfig) -> bool:
    """Whether the code is drawn, as in a VAE."""
    return any(part.partition(":")[0] == "gaussian" for part in joined(model.bottleneck))


def fitting_likelihood(model: ModelConfig, preprocess: Preprocess) -> str:
    """The likelihood for `auto`: by what the values are, and by whether a prior is weighed against them.

    At a deviation fixed to 1, that of a whole standardized column, a Gaussian code would tell nothing finer than it.
    """
    if is_without_code(model.network):
        return "gaussian"
    if preprocess.is_image and preprocess.limits:  # a Bernoulli's targets have to lie in [0, 1]
        return "bernoulli"
    if preprocess.encoding is not None:
        return "columns,variance=learned" if _draws(model) else "columns"
    return "gaussian,variance=shared" if _draws(model) else "gaussian"


def passes(training: TrainingConfig, n: int) -> float:
    """How often training will see each of n samples."""
    return training.epochs or training.budget * min(training.batch_size, n) / n


def fitting_shift(preprocess: Preprocess, passes: float, *, noisy: bool) -> str:
    """The augmentation that fits: the more often an image comes, the more it moves. Fresh noise is enough at first."""
    if not preprocess.is_image or min(preprocess.shape[1:]) <= 8 or passes < ONE_PIXEL_FROM:
        return "none"
    if passes >= TWO_PIXELS_FROM:
        return "shift:2"
    return "none" if noisy else f"shift:1,until={SHIFT_UNTIL}"

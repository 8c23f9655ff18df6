"""The values that replace `auto`: the network, the likelihood and the augmentation that fit the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from isthmus.config import ModelConfig
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.split import Splits
from isthmus.errors import UsageError
from isthmus.parts.component_start import LINES_GO_THROUGH, PAIRS_KEEP
from isthmus.parts.convolutions import SMALLEST, check_sides
from isthmus.parts.networks import AUTO, fitting_network, is_without_code, refuse_tables, usual_widths
from isthmus.registry import alternatives, joined, parse
from isthmus.training.image_choices import BESIDE_COMPONENTS, fitting_picture_code, starts_at_components
from isthmus.training.noise_estimate import estimate_noise
from isthmus.training.prepared import TrainingStatistics
from isthmus.training.table_choices import (
    SHORTCUT,
    about_structure,
    fitting_budget,
    fitting_code,
    fitting_widths,
    has_linear_path,
    network_input,
    wants_fitting_code,
)
from isthmus.training_config import STEPS, TrainingConfig
from isthmus.wording import counted, widths

# Number of passes from which random shifts of images help, see docs/experiments.md: shifts cost 0.0009 of BCE with one
# pass and 0.0002 with three, and gain 0.0005 with ten; at 160 passes over 1,600 images, two pixels beat one and three.
ONE_PIXEL_FROM, TWO_PIXELS_FROM = 5, 41
# On the validation rows of three tables, 160 passes with dropout predict hidden cells better than 80 without it, and
# memorize the training rows less; see docs/experiments.md.
PASSES = 160
DROPOUT = 0.1  # 0.2 predicts hidden cells no better, and visible cells worse
OFTEN = 40  # passes: with fewer, rows are hardly memorized, and dropout would only slow down training
Z_SIZE_OF_DENOISERS = 64  # of images: 0.0818 instead of 0.0849 of validation BCE, docs/experiments.md
SIGMOID = "output=sigmoid"  # halves the squared error of 16-bit images with an even background, docs/experiments.md
SHIFT_UNTIL = 0.9  # no shifts in the last tenth of training: 0.0004 better at forty passes than shifts to the end


def settle_network(model: ModelConfig, preprocess: Preprocess, n: int) -> tuple[ModelConfig, list[str]]:
    """Sets the network and its widths for n samples, and returns notes on choices that the user did not make.

    Raises: UsageError and DataError for samples that the network does not accept.
    """
    shape, text = preprocess.shape, model.network
    refuse_tables(text, shape)
    noisy = is_denoiser(model) and model.hidden is None  # widths that the user sets are for the mlp
    network = fitting_network(shape, noisy=noisy) if text == AUTO else text
    hidden = usual_widths(network, shape) if model.hidden is None else model.hidden
    if parse(network)[0] == "conv":
        check_sides(shape)
    if text == AUTO and has_linear_path(model, preprocess):
        network = SHORTCUT
    if text == AUTO and starts_at_components(model, preprocess):
        network = BESIDE_COMPONENTS
        hidden = usual_widths(network, shape) if model.hidden is None else model.hidden
    if network == SHORTCUT and model.hidden is None:
        hidden = fitting_widths(preprocess.size, n)
    if preprocess.encoding is not None and model.hidden is None and network == "mlp":
        hidden = fitting_widths(preprocess.size, preprocess.size)
    settled = replace(model, network=network, hidden=hidden)
    if text != AUTO or parse(network)[0] == "mlp":
        return settled, []
    noun = "noisy images" if fitting_network(shape) == "mlp" else f"{'color' if shape[0] > 1 else 'gray'} images"
    kind = f"{noun} of {shape[1]}x{shape[2]}"
    return settled, [f"network {network} for {kind}: {widths(network, hidden)} (--network mlp: fully connected)"]


def _takes_longer(model: ModelConfig, shape: tuple[int, ...]) -> bool:
    """Whether images that would use the network mlp use conv because of their noise."""
    chosen = model.network == AUTO and model.hidden is None
    return chosen and fitting_network(shape, noisy=is_denoiser(model)) != fitting_network(shape)


def is_denoiser(model: ModelConfig) -> bool:
    """Whether the code has to recover what noise covers. Not true for masking, for which this was not tried."""
    kinds = {parse(part)[0] for one in alternatives(model.noise) for part in joined(one)}
    return not (kinds & {"none", "masking"} or is_without_code(model.network))


def is_unknown(noise: str) -> bool:
    """Whether the noise is unknown, so that there are no clean images."""
    return parse(noise)[0] == "unknown"


def settle_noise(model: ModelConfig, x: Tensor) -> tuple[ModelConfig, list[str]]:
    """Sets the pixel distance for `--noise unknown` from the noise of x (N, C, H, W), network input without clean
    targets, and returns notes on the noise.

    Raises: UsageError for networks that do not accept images of half the size, and for losses except squared error.
    """
    _, given, options = parse(model.noise)
    if not is_without_code(model.network):
        message = f"--noise unknown trains on images of half the size, which network {model.network} does not accept."
        raise UsageError("USAGE-NOISE", message, fix="pass --recipe photo")
    if model.likelihood not in {"auto", "gaussian"}:
        message = f"--noise unknown needs the squared error, but --loss is {model.likelihood}."
        raise UsageError("USAGE-NOISE", message, fix="leave out --loss, or pass --loss gaussian")
    estimate = estimate_noise(x)
    if given not in (None, "auto") or options:
        return model, [estimate.sentence(chosen=True)]
    return replace(model, noise=f"unknown:{estimate.apart}"), [estimate.sentence()]


def settle_code(model: ModelConfig, splits: Splits, known: TrainingStatistics) -> tuple[ModelConfig, list[str]]:
    """Sets the code size and returns notes on it. Tables: by their principal components. Denoisers of images get a
    longer code than other models.
    """
    preprocess = known.preprocess
    if preprocess.is_image or not wants_fitting_code(model, preprocess):
        large = preprocess.is_image and min(preprocess.shape[1:]) >= SMALLEST
        longer = model.z_size is None and large and is_denoiser(model)
        if model.z_size is None and starts_at_components(model, preprocess):
            size, said = fitting_picture_code(preprocess.size)
            return replace(model, z_size=size), [said]
        return replace(model, z_size=Z_SIZE_OF_DENOISERS if longer else model.code_size), []
    components, encoding = known.components, preprocess.encoding
    size, said = fitting_code(components, preprocess.size if encoding is None else len(encoding.blocks))
    about = [said]
    if encoding is None:
        about += about_structure(components, network_input(np.array(splits.validation.x), preprocess), size)
    return replace(model, z_size=size), about


def settle_budget(
    training: TrainingConfig, model: ModelConfig, n: int, preprocess: Preprocess
) -> tuple[TrainingConfig, list[str]]:
    """Sets the number of steps and returns notes on it. For columns of several kinds, at most `PASSES` passes over n
    rows: more passes memorize small tables, see docs/experiments.md.
    """
    if training.steps is None and training.epochs is None and _takes_longer(model, preprocess.shape):
        steps = STEPS // 2  # on mnist-2k, conv after 3,000 steps is 0.8 dB better than mlp after 8,000
        said = f"training takes {steps:,} steps, half the usual number: each takes twice as long (change with --epochs)"
        return replace(training, steps=steps), [said]
    if preprocess.encoding is None and has_linear_path(model, preprocess):
        training, said = fitting_budget(training, n)
        return replace(training, steps=training.budget), said
    per_epoch = -(-n // min(training.batch_size, n))
    if training.steps is not None or training.epochs is not None:
        return replace(training, steps=training.budget), []
    training = replace(training, steps=max(training.budget, per_epoch))  # at least one pass, however large the data
    most = PASSES * per_epoch
    if preprocess.encoding is None or training.budget <= most:
        return training, []
    said = f"training takes {PASSES} passes over {counted(n, 'row')}, {most:,} steps (change with --epochs)"
    return replace(training, epochs=PASSES), [said]


def settle_dropout(model: ModelConfig, training: TrainingConfig, n: int, preprocess: Preprocess) -> ModelConfig:
    """Sets dropout for small tables, whose rows are repeated often: with columns of several kinds and a code that is
    not sampled, or with a linear path.
    """
    if model.dropout is not None:
        return model
    mixed = preprocess.encoding is not None and not _draws(model)
    few = passes(training, n) >= OFTEN and (mixed or has_linear_path(model, preprocess))
    return replace(model, dropout=DROPOUT if few else 0.0)


def _draws(model: ModelConfig) -> bool:
    """Whether the code is sampled, as in a VAE."""
    return any(part.partition(":")[0] == "gaussian" for part in joined(model.bottleneck))


def fitting_likelihood(model: ModelConfig, preprocess: Preprocess, *, beyond: bool = False) -> str:
    """The likelihood for `auto`: it depends on the values, on whether the code has a prior, and on whether pixels lie
    `beyond` the black and white of images.

    A VAE with a fixed standard deviation of 1, as wide as a standardized column, would learn no finer detail.
    """
    if is_without_code(model.network) or starts_at_components(model, preprocess):  # components minimize squared error
        return "gaussian"
    if preprocess.is_image and preprocess.limits:  # the targets of a Bernoulli must be in [0, 1]
        return "bernoulli"
    if preprocess.encoding is not None:
        return "columns,variance=learned" if _draws(model) else "columns"
    cost = "gaussian,variance=shared" if _draws(model) else "gaussian"
    return f"{cost},{SIGMOID}" if preprocess.ends and not beyond else cost


def fitting_start(model: ModelConfig, preprocess: Preprocess) -> str:
    """How weights are initialized: from principal components if the layers for images allow it, which is better after
    one pass and after 320 (docs/experiments.md). Not tried with noise, penalties or transparent pixels.
    """
    parts = parse(model.network)[0] == "mlp" and not parse(model.network)[2], model.activation in PAIRS_KEEP
    plain = model.bottleneck == "identity" and model.noise == model.terms == "none"
    cost = model.likelihood in LINES_GO_THROUGH
    fits = all(parts) and plain and cost and preprocess.is_image and not preprocess.alpha
    return "components" if fits else "orthogonal"


def passes(training: TrainingConfig, n: int) -> float:
    """How often training uses each of n samples."""
    return training.epochs or training.budget * min(training.batch_size, n) / n


def fitting_shift(preprocess: Preprocess, passes: float, *, noisy: bool) -> str:
    """The augmentation: the more often an image is repeated, the larger the shift. Few passes over noise need none."""
    if not preprocess.is_image or min(preprocess.shape[1:]) <= 8 or passes < ONE_PIXEL_FROM:
        return "none"
    if passes >= TWO_PIXELS_FROM:
        return "shift:2"
    return "none" if noisy else f"shift:1,until={SHIFT_UNTIL}"

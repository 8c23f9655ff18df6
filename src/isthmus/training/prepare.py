"""From settings and data to everything that training needs: splits, preprocessing, settled choices, a new model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isthmus.config import Config, ModelConfig, TrainingConfig
from isthmus.data.batching.batches import Batches, in_order, resident, shift_of
from isthmus.data.batching.preprocess import Preprocess, fit_preprocess, refuse_out_of_range
from isthmus.data.batching.split import Splits, align_labels, split
from isthmus.data.numeric import blocks
from isthmus.data.ranges import about_dark
from isthmus.data.samples import Bundle, Samples
from isthmus.errors import ResourceError
from isthmus.models.autoencoder import Model
from isthmus.models.footprint import refuse_too_large
from isthmus.parts.convolutions import check_sides
from isthmus.parts.corruptions import Level
from isthmus.parts.likelihoods import likelihood
from isthmus.parts.networks import AUTO, fitting_network, usual_widths, widths_told
from isthmus.parts.own_module import check_trainable
from isthmus.randomness import generator_for
from isthmus.registry import joined, parse
from isthmus.system.naming import counted
from isthmus.training.display import Quiet

# Passes over the training images from which random shifts help, see docs/experiments.md: one pass with shifts cost
# 0.0009 of BCE, three 0.0002, ten gained 0.0005; at 160 passes over 1,600 images two pixels beat one and three.
ONE_PIXEL_FROM, TWO_PIXELS_FROM = 5, 41
SHIFT_UNTIL = 0.9  # the last tenth sees images as they are: at forty passes 0.0004 better than never
# At 2 black and white lie half a deviation apart; of 255 steps 2 is noise that nobody sees, so 0..255 must be meant.
MOST_SIGMA = 2.0
IN_MEMORY = "data in memory"


@dataclass(frozen=True)
class Prepared:
    """All that is settled before the first step. `config` has no `auto` left; `said` are sentences for people."""

    config: Config
    splits: Splits
    preprocess: Preprocess
    device: torch.device
    said: tuple[str, ...]

    def tensor(self, samples: Samples) -> Tensor:
        return resident(samples.x, self.preprocess, self.device)

    def x(self, samples: Samples, most: int | None = None) -> Tensor:
        """Network input on the processor; of at most `most` samples, spread evenly since data is often sorted."""
        stride = 1 if most is None else -(-len(samples) // max(most, 1))
        data = resident(samples.x[::stride], self.preprocess, torch.device("cpu"))
        if data.dtype != torch.uint8:
            return data
        x, at = torch.empty(data.shape), 0  # filled piece by piece: joined pieces would be there twice
        for part in in_order(data, self.preprocess, torch.device("cpu")):
            x[at : at + len(part)] = part
            at += len(part)
        return x


def read_splits(config: Config, data: Any, display: Quiet) -> Splits:
    """Reads the data that `config` names, or the object that is handed over, and divides it."""
    from isthmus.data.objects import read_object
    from isthmus.data.sources import read, read_samples

    options = config.data
    with display.counting("reading") as progress:
        named = data is None or isinstance(data, str | Path)  # then the configuration names it too
        bundle: Bundle = read(options.source, options, progress) if named else read_object(data, options)
    others = {}
    for role in ("validation", "test"):
        source = getattr(options, role)
        others[role] = read_samples(source, options) if source is not None else None
    return split(bundle, seed=config.training.seed, limit=options.limit, **others)


def prepare(config: Config, splits: Splits) -> Prepared:
    """Settles every `auto`, checks the ranges, and says what was guessed.

    Raises: DataError for targets that the likelihood cannot take; ResourceError for a device that is not there.
    """
    preprocess = fit_preprocess(splits.train, config.data.scale, config.data.missing)
    splits = replace(
        splits, **{r: align_labels(getattr(splits, r), preprocess.classes) for r in ("validation", "test")}
    )
    said = [*splits.train.notes, *about_sameness(splits.train)]
    training, device = config.training, pick_device(config.training.device)
    n = len(splits.train)
    augment = training.augment
    if augment == "auto":
        augment = fitting_shift(preprocess, passes(training, n), noisy=config.model.noise != "none")
        if augment != "none":
            times = f"training passes {passes(training, n):.0f} times over {n:,} images"
            said.append(f"augmentation {augment}: {times} (--augment none: off)")
    shift_of(augment, preprocess)
    said += about_budget(training, n) + about_range(splits.train, preprocess)
    said += about_noise(config.model.noise, preprocess)
    if training.batch_size > n:
        said.append(f"batch size lowered from {training.batch_size} to {n}: there are no more training samples")
    training = replace(
        training,
        augment=augment,
        batch_size=min(training.batch_size, n),
        precision=pick_precision(training.precision, device),
        device=device.type,
    )
    model, about_model = settle_network(config.model, preprocess)
    said += about_model
    if model.likelihood == "auto":
        model = replace(model, likelihood=fitting_likelihood(model, preprocess))
    prepared = Prepared(replace(config, model=model, training=training), splits, preprocess, device, tuple(said))
    check_targets(prepared)
    return prepared


def about_sameness(train: Samples) -> list[str]:
    """What is to be said where every training sample is the same."""
    if not len(train) or not all((part == train.x[0]).all() for part in blocks(train.x)):  # ends at the first other
        return []
    same = f"all {len(train):,} training samples are equal" if len(train) > 1 else "there is one training sample"
    return [f"{same}: there is nothing to learn from; check that this is the data you meant"]


def settle_network(model: ModelConfig, preprocess: Preprocess) -> tuple[ModelConfig, list[str]]:
    """The same with a network and its widths, and what is to be said of a choice that was not the user's.

    Raises: DataError for images that the network cannot take.
    """
    shape, text = preprocess.shape, model.network
    network = fitting_network(shape) if text == AUTO else text
    hidden = usual_widths(network, shape) if model.hidden is None else model.hidden
    if parse(network)[0] == "conv":
        check_sides(shape)
    settled = replace(model, network=network, hidden=hidden)
    if text != AUTO or network == "mlp":
        return settled, []
    kind = f"{'colour' if shape[0] > 1 else 'gray'} images of {shape[1]}x{shape[2]}"
    return settled, [f"network {network} for {kind}: {widths_told(network, hidden)} (--network mlp: fully connected)"]


def fitting_likelihood(model: ModelConfig, preprocess: Preprocess) -> str:
    """The likelihood for `auto`: by what the values are, and by whether a prior is weighed against them.

    At a deviation fixed to 1, that of a whole standardised column, a Gaussian code would tell nothing finer than it.
    """
    if preprocess.is_image and preprocess.range:
        return "bernoulli"
    weighed = any(part.partition(":")[0] == "gaussian" for part in joined(model.bottleneck))
    return "gaussian,variance=shared" if weighed else "gaussian"


def about_budget(training: TrainingConfig, n: int) -> list[str]:
    """Says where a budget in steps is far from whole epochs, of which training consists."""
    per_epoch = -(-n // training.batch_size)
    epochs = max(1, round(training.steps / per_epoch))
    off = abs(epochs * per_epoch - training.steps) / training.steps
    if training.epochs is not None or off <= 0.1:  # a tenth more or less is what nobody asks about
        return []
    whole = f"{counted(epochs, 'epoch')} of {counted(per_epoch, 'step')}"
    return [f"{training.steps:,} steps are rounded to {whole} (--epochs says it exactly)"]


def about_range(train: Samples, preprocess: Preprocess) -> list[str]:
    """Says when bytes use so little of their range that every picture would look black."""
    if not preprocess.is_image or preprocess.offset is not None or train.x.dtype != np.uint8 or not len(train):
        return []
    return about_dark(int(train.x.max()))


def about_noise(noise: str, preprocess: Preprocess) -> list[str]:
    """Says when normal noise on images in [0, 1] is so strong that its level must be meant for 0 to 255."""
    name, level, options = parse(noise)
    if name != "gaussian" or level is None or not preprocess.is_image or preprocess.range != (0.0, 1.0):
        return []
    low, high = Level(level).bounds
    if high <= MOST_SIGMA:
        return []
    if high > 255:
        return [f"noise {noise} leaves nothing of the images, which are scaled to [0, 1]"]
    ends = dict.fromkeys((low, high))
    meant = [f"gaussian:{'-'.join(f'{end / 255:.2g}' for end in ends)}"]
    meant += [f"{key}={value}" for key, value in options.items()]
    shares = " to ".join(f"{end:g}/255" for end in ends)
    return [f"images are scaled to [0, 1]: did you mean --noise {','.join(meant)} ({shares})?"]


def passes(training: TrainingConfig, n: int) -> float:
    """How often training will see each of n samples."""
    return training.epochs or training.steps * min(training.batch_size, n) / n


def fitting_shift(preprocess: Preprocess, passes: float, *, noisy: bool) -> str:
    """The augmentation that fits: the more often an image comes, the more it moves. Fresh noise is enough at first."""
    if not preprocess.is_image or min(preprocess.shape[1:]) <= 8 or passes < ONE_PIXEL_FROM:
        return "none"
    if passes >= TWO_PIXELS_FROM:
        return "shift:2"
    return "none" if noisy else f"shift:1,until={SHIFT_UNTIL}"


def check_targets(prepared: Prepared) -> None:
    """Refuses values outside of the likelihood's range, in all three sets, before the first epoch."""
    if (
        prepared.preprocess.is_image
        and prepared.preprocess.offset is None
        and prepared.splits.train.x.dtype == np.uint8
    ):
        return  # bytes over 255 cannot be outside [0, 1]
    for role in ("train", "validation", "test"):
        samples: Samples = getattr(prepared.splits, role)
        text = prepared.config.model.likelihood
        allowed, what = likelihood(text).range, f"the {role} data"
        refuse_out_of_range(prepared.tensor(samples), allowed, what=what, likelihood=text.partition(",")[0])


def pick_device(name: str) -> torch.device:
    """`auto`: cuda, else mps, else cpu. Raises: ResourceError for one that this machine does not have."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, found in there.items() if found))
    if not there[name]:
        raise ResourceError("RESOURCE-DEVICE", f"PyTorch finds no {name} device here.", fix="pass --device auto")
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> str:
    """`auto`: bfloat16 where the machine multiplies it in hardware, which is 1.2 to 1.7 times faster, else float32.

    A question of what the machine is, not of a stopwatch, so that the same seed gives the same weights every time.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type == "cpu":
        capable = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return "bfloat16" if capable else "float32"
    return "float32"


def settle_threads(prepared: Prepared, own: nn.Module | None = None) -> Prepared:
    """The same with a number of threads, timed if none was set."""
    from isthmus.training.threads import pick_threads

    training = prepared.config.training
    if training.threads is not None:
        return prepared
    batches = batches_of(prepared)
    x = batches.take(batches.rows(0)[0], generator_for(training.seed, "threads", device=prepared.device))
    threads = torch.get_num_threads() if own is not None else pick_threads(fresh_model(prepared), x, training)
    return replace(prepared, config=replace(prepared.config, training=replace(training, threads=threads)))


def fresh_model(prepared: Prepared, own: nn.Module | None = None, flatten: bool | str = "auto") -> Model:
    """The model that training starts from, on the device; its weights come from the seed."""
    config = prepared.config
    batch_size = config.training.batch_size
    if own is None:
        refuse_too_large(config.model, prepared.preprocess, batch_size=batch_size, device=prepared.device)
    model = Model(config.model, prepared.preprocess, own=own, flatten=flatten)
    if own is not None:
        check_trainable(own, lambda x: model(x).params, prepared.preprocess.shape, batch_size)
    mean = mean_sample(prepared) if config.model.output_bias == "mean" and own is None else None
    return model.initialise(generator_for(config.training.seed, "weights"), mean).to(prepared.device)


def mean_sample(prepared: Prepared) -> Tensor:
    """The mean of the training data as network input, of the shape of one sample."""
    data = resident(prepared.splits.train.x, prepared.preprocess, torch.device("cpu"))
    total = sum(x.sum(0, dtype=torch.float64) for x in in_order(data, prepared.preprocess, torch.device("cpu")))
    return (torch.as_tensor(total) / len(data)).float()


def batches_of(prepared: Prepared) -> Batches:
    """The training batches."""
    t = prepared.config.training
    data = prepared.tensor(prepared.splits.train)
    return Batches(
        data, prepared.preprocess, batch_size=t.batch_size, augment=t.augment, seed=t.seed, device=prepared.device
    )

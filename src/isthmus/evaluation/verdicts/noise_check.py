"""Whether what a denoiser is given carries the noise that it was trained for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from isthmus.evaluation.metrics.metrics import noise_sd
from isthmus.evaluation.verdicts.cases import Verdict
from isthmus.parts.corruptions import Level
from isthmus.registry import parse
from isthmus.wording import number

MARGIN = 1.1  # the calibrated range holds nine images of ten; a tenth beyond it leaves single odd ones alone
# How a level changes with the deviation of the noise it makes: a share of pixels with its square, photons inversely.
POWERS = {"gaussian": 1, "speckle": 1, "salt-and-pepper": 2, "masking": 2, "poisson": -2}
MOST_SHARE = 0.9  # of the pixels: with all of them replaced nothing is left to learn from


def judge_noise(
    x: Float[Tensor, "N C H W"], estimates: Mapping[str, Sequence[float]], *, noise: str, path: str = ""
) -> Verdict:
    """Whether images given to a denoiser carry noise like that of its training.

    `estimates` are the 5 %, 50 % and 95 % points of `noise_sd` over validation images: `"clean"` ones, and `"noisy"`
    ones with the training's noise. They are needed because an estimate means little by itself: clipped noise looks
    weaker than it is, fine detail stronger. What lies between the two is noise as well, only weaker; where the two
    overlap nothing can be told, and it passes. `path` is the denoiser's run folder, for the command to try.
    """
    found = float(noise_sd(x).median())
    (low, typical, high), clean = estimates["noisy"], estimates["clean"][2]
    known = f"in training {number(low)} to {number(high)}, in clean images up to {number(clean)}"
    numbers = f"estimated noise {number(found)}, {known}"
    if found > high * MARGIN:
        text = "The input is noisier than anything in training, so expect leftovers"
    elif found * MARGIN >= low:
        return Verdict("noise-unlike-training", "pass", f"The input is about as noisy as in training: {numbers}.")
    elif found <= clean * MARGIN:
        text, found = "The input looks clean already, so denoising can only blur it", 0.0
    else:
        text = "The input is less noisy than in training, so expect it to be smoothed too much"
    factor = found / typical if typical > 0 else 1.0
    # Squared, since cutting to [0, 1] draws estimates together: on digits sigma 0.9 looks 1.4 times as strong as 0.5.
    levels = wider(noise, factor**2)
    again = f"isthmus train --config {shlex.quote(f'{path}/config.toml')} --noise {levels}" if path else None
    return Verdict("noise-unlike-training", "warn", f"{text}: {numbers}.", again)


def wider(noise: str, factor: float) -> str:
    """`noise` with levels that take in noise `factor` times as strong: `("gaussian:0.5", 2)` -> `"gaussian:0.5-1"`."""
    name, level, options = parse(noise)
    low, high = Level(level or "0").bounds
    power = POWERS.get(name, 1)
    if power < 0:
        factor = max(factor, 0.1)  # no noise at all would need endless light; a hundred times as much is near enough
    scaled = (high if (factor > 1) == (power > 0) else low) * factor**power
    scaled = min(scaled, MOST_SHARE) if power == 2 else scaled
    ends = f"{min(low, scaled):.2g}-{max(high, scaled):.2g}"
    return ",".join([f"{name}:{ends}", *(f"{key}={value}" for key, value in options.items())])

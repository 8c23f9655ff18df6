"""Whether what a denoiser is given carries the noise that it was trained for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from scipy import special
from torch import Tensor

from isthmus.evaluation.metrics.flat_noise import flat_moments
from isthmus.evaluation.metrics.metrics import noise_sd
from isthmus.evaluation.verdicts.cases import Verdict
from isthmus.parts.noise_level import COUNTS, Level
from isthmus.recipes import PAIRS
from isthmus.registry import alternatives, joined, parse
from isthmus.wording import number, shell_word

MARGIN = 1.1  # the calibrated range holds nine images of ten; a tenth beyond it leaves single odd ones alone
# How a level changes with the deviation of the noise it makes: a share of pixels with its square, photons inversely.
POWERS = {"gaussian": 1, "speckle": 1, "salt-and-pepper": 2, "masking": 2, "poisson": -2}
MOST_SHARE = 0.9  # of the pixels: with all of them replaced nothing is left to learn from
# Above that of training's noise. Measured on digits and on patches of two photographs: white noise, salt and pepper and
# speckle come to -0.04 to 0; noise blurred by 0.7 pixels to 0.28, by 1.5 to 0.47 and more.
CORRELATED = 0.15
# Noise by its finest detail over that of the flat parts: white noise has 1.2, noise blurred by 0.7 pixels 0.5 to 0.7,
# clean but rough pictures 0.9.
COARSE = 0.8
# The deviation of clean images' flat parts: of the median one where many images speak, else of all but the roughest. Of
# 200 single clean patches of photographs three were called noisy at 1.1, none at 2.
TWICE = 2.0
ALARM = 1e-3  # the chance that as many clean images are rougher than the median one


def judge_noise(
    x: Float[Tensor, "N C H W"], estimates: Mapping[str, Sequence[float]], *, noise: str, path: str = ""
) -> Verdict:
    """Whether images given to a denoiser carry noise like that of its training.

    `estimates` are the 5 %, 50 % and 95 % points of `noise_sd` over validation images: `"clean"` ones, and `"noisy"`
    ones with the training's noise. They are needed because an estimate means little by itself: clipped noise looks
    weaker than it is, fine detail stronger. What lies between the two is noise as well, only weaker; where the two
    overlap nothing can be told, and it passes. What has less fine detail than clean images is
    not called clean. Noise that neighboring pixels share hardly shows in that estimate and is looked for in flat parts;
    runs from before keep nothing to compare those with. `path` is the denoiser's run folder, for the command to try.
    """
    found = float(noise_sd(x).median())
    (low, typical, high), (smooth, _, clean) = estimates["noisy"], estimates["clean"]
    known = f"in training {number(low)} to {number(high)}, in clean images up to {number(clean)}"
    numbers = f"estimated noise {number(found)}, {known}"
    if found * MARGIN < smooth:  # asked first: what is blurred spreads its strokes over flat parts
        return Verdict("noise-unlike-training", "warn", _about_blur(found, smooth))
    if correlated := _about_correlation(x, estimates, found):
        return Verdict("noise-unlike-training", "warn", correlated)
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
    levels = wider(noise, factor**2) if noise != PAIRS else ""  # of pairs nobody chose a level
    config = shell_word(f"{path}/config.toml")
    again = f"isthmus train --config {config} --noise {shell_word(levels)}" if path and levels else None
    return Verdict("noise-unlike-training", "warn", f"{text}: {numbers}.", again)


def _about_blur(found: float, smooth: float) -> str:
    return (
        "The input has less fine detail than clean images of training, so it may be blurred, which this model does not "
        f"undo: by its finest detail {number(found)}, in 95 of 100 clean images over {number(smooth)}."
    )


def _about_correlation(
    x: Float[Tensor, "N C H W"], estimates: Mapping[str, Sequence[float]], found: float
) -> str | None:
    """A sentence where the flat parts hold noise that neighboring pixels share, else None.

    Of what clean images have there and in their finest detail (`found`) the medians are taken off.
    """
    if "clean_variance" not in estimates:
        return None
    (_, usual, rough), usual_covariance = estimates["clean_variance"], estimates["clean_covariance"][1]
    variance, covariance = flat_moments(x)
    middle, n = float(variance.median()), len(variance)
    many = float(special.bdtrc(int((variance > usual).sum()) - 1, n, 0.5)) < ALARM
    if middle <= TWICE**2 * (usual if many else rough):
        return None
    added = middle - usual
    correlation = (float(covariance.median()) - usual_covariance) / added
    fine = math.sqrt(max(found**2 - estimates["clean"][1] ** 2, 0.0) / added)
    known = estimates["noisy_correlation"][1]
    if correlation <= known + CORRELATED or fine >= COARSE:
        return None
    return (
        "The input carries correlated noise, which this model was not trained for, so expect it to stay as if it were "
        f"part of the picture: in flat parts neighboring pixels correlate by {correlation:.2f}, in training's noise "
        f"by {known:.2f}."
    )


def wider(noise: str, factor: float) -> str:
    """`noise` with levels that take in noise `factor` times as strong: `("gaussian:0.5", 2)` -> `"gaussian:0.5-1"`."""
    if len(choices := alternatives(noise)) > 1:
        return "|".join(wider(choice, factor) for choice in choices)
    if len(parts := joined(noise)) > 1:
        return "+".join(wider(part, factor) for part in parts)
    name, level, options = parse(noise)
    if name == "jpeg":  # its quality is no strength of noise
        return noise
    low, high = Level(level or "0", unit=1.0).bounds
    unit = COUNTS + "s" if level and COUNTS in level else ""
    power = POWERS.get(name, 1)
    if power < 0:
        factor = max(factor, 0.1)  # no noise at all would need endless light; a hundred times as much is near enough
    scaled = (high if (factor > 1) == (power > 0) else low) * factor**power
    scaled = min(scaled, MOST_SHARE) if power == 2 else scaled
    ends = f"{min(low, scaled):.2g}-{max(high, scaled):.2g}{unit}"
    return ",".join([f"{name}:{ends}", *(f"{key}={value}" for key, value in options.items())])

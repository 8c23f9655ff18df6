"""Whether the input of a denoiser has the kind of noise that it was trained on."""

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

MARGIN = 1.1  # the calibrated range holds nine images of ten; a tenth beyond it avoids alarms from single odd images
# How a level depends on the standard deviation of its noise: a share of pixels on the square, photons inversely.
POWERS = {"gaussian": 1, "speckle": 1, "salt-and-pepper": 2, "masking": 2, "poisson": -2}
MOST_SHARE = 0.9  # of the pixels: if all of them are replaced, nothing is left to learn from
# Difference from the correlation of the training's noise. Measured on digits and on patches of two photographs: -0.04
# to 0 for white noise, salt and pepper, and speckle; 0.28 for noise blurred by 0.7 pixels; 0.47 or more for 1.5 pixels.
CORRELATED = 0.15
# Ratio of the noise in the finest detail to that in flat parts: 1.2 for white noise, 0.5 to 0.7 for noise blurred by
# 0.7 pixels, 0.9 for clean but rough pictures.
COARSE = 0.8
# Times the standard deviation of the flat parts of clean images: of the median one if there are many images, else of
# one that is rougher than 95 %. Of 200 single clean patches of photographs, three were called noisy at 1.1, none at 2.
TWICE = 2.0
ALARM = 1e-3  # probability that this many clean images are rougher than the median one


def judge_noise(
    x: Float[Tensor, "N C H W"], estimates: Mapping[str, Sequence[float]], *, noise: str, path: str = ""
) -> Verdict:
    """Whether images given to a denoiser have noise like that of its training.

    `estimates` are the 5 %, 50 % and 95 % points of `noise_sd` over validation images: `"clean"` ones, and `"noisy"`
    ones with the training's noise. They are needed because an estimate means little by itself: clipped noise looks
    weaker than it is, and fine detail looks like noise. Images between the two ranges have weaker noise. If the ranges
    overlap, they cannot be told apart, and the verdict is a pass. Images with less fine detail than clean ones are not
    called clean. Correlated noise hardly shows in that estimate and is detected in flat parts; older runs have no
    stored values for them. `path` is the denoiser's run folder, for the command to try.
    """
    found = float(noise_sd(x).median())
    (low, typical, high), (smooth, _, clean) = estimates["noisy"], estimates["clean"]
    known = f"in training {number(low)} to {number(high)}, in clean images up to {number(clean)}"
    numbers = f"estimated noise {number(found)}; {known}"
    if found * MARGIN < smooth:  # checked first, because blur spreads strokes into flat parts
        return Verdict("noise-unlike-training", "warn", _about_blur(found, smooth))
    if correlated := _about_correlation(x, estimates, found):
        return Verdict("noise-unlike-training", "warn", correlated)
    if found > high * MARGIN:
        text = "The input is noisier than the training data, so expect some noise to remain"
    elif found * MARGIN >= low:
        return Verdict("noise-unlike-training", "pass", f"The input is about as noisy as the training data: {numbers}.")
    elif found <= clean * MARGIN:
        text, found = "The input already looks clean, so denoising can only blur it", 0.0
    else:
        text = "The input is less noisy than the training data, so expect too much smoothing"
    factor = found / typical if typical > 0 else 1.0
    # Squared, because clipping to [0, 1] reduces differences: on digits, sigma 0.9 looks 1.4 times as strong as 0.5.
    levels = wider(noise, factor**2) if noise != PAIRS else ""  # pairs have no level
    config = shell_word(f"{path}/config.toml")
    again = f"isthmus train --config {config} --noise {shell_word(levels)}" if path and levels else None
    return Verdict("noise-unlike-training", "warn", f"{text}: {numbers}.", again)


def _about_blur(found: float, smooth: float) -> str:
    return (
        "The input has less fine detail than clean training images, so it may be blurred, and this model does not undo "
        f"blur: the strength of its finest detail is {number(found)}, but over {number(smooth)} in 95 of "
        "100 clean images."
    )


def _about_correlation(
    x: Float[Tensor, "N C H W"], estimates: Mapping[str, Sequence[float]], found: float
) -> str | None:
    """A sentence if the flat parts have noise that is correlated between neighboring pixels, else None.

    The median values of clean images, in flat parts and in their finest detail (`found`), are subtracted.
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
        "The input has correlated noise, which this model was not trained to remove, so expect it to remain: the "
        f"correlation of neighboring pixels in flat parts is {correlation:.2f}, that in the training noise {known:.2f}."
    )


def wider(noise: str, factor: float) -> str:
    """`noise` with levels that include noise `factor` times as strong: `("gaussian:0.5", 2)` -> `"gaussian:0.5-1"`."""
    if len(choices := alternatives(noise)) > 1:
        return "|".join(wider(choice, factor) for choice in choices)
    if len(parts := joined(noise)) > 1:
        return "+".join(wider(part, factor) for part in parts)
    name, level, options = parse(noise)
    if name == "jpeg":  # its level is a quality, not a strength of noise
        return noise
    low, high = Level(level or "0", unit=1.0).bounds
    unit = COUNTS + "s" if level and COUNTS in level else ""
    power = POWERS.get(name, 1)
    if power < 0:
        factor = max(factor, 0.1)  # no noise at all would need infinite light; a hundred times as much is close enough
    scaled = (high if (factor > 1) == (power > 0) else low) * factor**power
    scaled = min(scaled, MOST_SHARE) if power == 2 else scaled
    ends = f"{min(low, scaled):.2g}-{max(high, scaled):.2g}{unit}"
    return ",".join([f"{name}:{ends}", *(f"{key}={value}" for key, value in options.items())])

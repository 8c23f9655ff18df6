"""Whether a denoiser that nobody can check against clean images took structure away with the noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.evaluation.verdicts.cases import Case, Verdict
from isthmus.wording import number

# How far the strength of what was taken away goes with the detail of the picture, block by block. On photographs under
# sigma 0.04 to 0.2 the noise itself comes to 0.00 to 0.02, non-local means of a usual strength to -0.46 to 0.25, a blur
# of 1 pixel to 0.43 to 0.85: 0.4 lies between.
AT_DETAIL, CLEARLY_AT_DETAIL = 0.4, 0.6
# Between the correlation of neighbors in what was taken away and in the noise of flat parts: a filter that leaves noise
# behind, or takes edges along, comes to 0.15 and more (a blur of 0.5 and of 1.5 pixels), the noise itself to 0.01.
OTHER_NEIGHBORS = 0.15
# Times the estimated noise, which is told to a twentieth where it is the same everywhere.
TOO_MUCH, TOO_LITTLE = 1.4, 0.7


def removed_structure(case: Case) -> Verdict | None:
    """Asked only where no clean image is known: strength, neighbors and place of what was taken away."""
    block = case.metrics.get("denoising") or {}
    if block.get("truth", True):
        return None
    removed, noise = block["removed"], block["estimated"]
    level, found = _found(removed, noise)
    text = f"{found} No clean image is known, so no PSNR can be computed. {_numbers(removed, noise)}"
    return Verdict("structure-removed", level, text, None if level == "pass" else case.train_longer())


def _found(removed: Mapping[str, float], noise: Mapping[str, Any]) -> tuple[Any, str]:
    ratio = removed["sd"] / noise["sd"] if noise["sd"] > 0 else 1.0
    at_detail = removed["at_detail"]
    if at_detail >= AT_DETAIL or ratio > TOO_MUCH:
        level = "fail" if at_detail >= CLEARLY_AT_DETAIL else "warn"
        return level, "Structure was removed with the noise: more was taken away where the picture has detail."
    if ratio < TOO_LITTLE:
        return "warn", "Much of the noise was left in: less was taken away than there is in flat parts."
    if abs(max(removed["beside"], removed["below"], key=abs) - noise["lags"][0]) > OTHER_NEIGHBORS:
        return (
            "warn",
            "What was removed is unlike the noise: its neighboring pixels are correlated otherwise than in flat parts.",
        )
    return "pass", "What was removed looks like noise: as strong as in flat parts, and no stronger at detail."


def _numbers(removed: Mapping[str, float], noise: Mapping[str, Any]) -> str:
    return (
        f"Taken away: standard deviation {number(removed['sd'])}, in flat parts {number(noise['sd'])}; neighbors go "
        f"together by {removed['beside']:.2f} and {removed['below']:.2f}, there by {noise['lags'][0]:.2f}; its "
        f"strength goes with the detail of the picture by {removed['at_detail']:.2f}."
    )


__all__ = ["removed_structure"]

"""Whether a denoiser removed structure with the noise, if there are no clean images to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.evaluation.verdicts.cases import Case, Verdict
from isthmus.wording import number

# Correlation, over blocks, between the strength of what was removed and the detail of the picture. On photographs with
# sigma 0.04 to 0.2, it is 0.00 to 0.02 for the noise itself, -0.46 to 0.25 for non-local means of a usual strength, and
# 0.43 to 0.85 for a blur of 1 pixel; 0.4 separates them.
AT_DETAIL, CLEARLY_AT_DETAIL = 0.4, 0.6
# Difference between the correlation of neighboring pixels in what was removed and in the noise of flat parts. For a
# filter that leaves noise or removes edges (a blur of 0.5 and of 1.5 pixels), it is 0.15 or more; for the noise, 0.01.
OTHER_NEIGHBORS = 0.15
# Times the estimated noise, which is known to within 5 % if it is the same everywhere.
TOO_MUCH, TOO_LITTLE = 1.4, 0.7


def removed_structure(case: Case) -> Verdict | None:
    """Checked only if no clean image is known: how strong, where, and how correlated the removed part is."""
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
        return level, "Structure was removed with the noise: more was removed where the picture has detail."
    if ratio < TOO_LITTLE:
        return "warn", "Much of the noise remains: less was removed than there is in flat parts."
    if abs(max(removed["beside"], removed["below"], key=abs) - noise["lags"][0]) > OTHER_NEIGHBORS:
        text = "What was removed does not look like the noise: its neighboring pixels have a different correlation."
        return "warn", text
    return "pass", "What was removed looks like noise: as strong as in flat parts, and no stronger in detailed parts."


def _numbers(removed: Mapping[str, float], noise: Mapping[str, Any]) -> str:
    return (
        f"Removed: standard deviation {number(removed['sd'])} (noise in flat parts: {number(noise['sd'])}); "
        f"correlation of neighboring pixels {removed['beside']:.2f} across and {removed['below']:.2f} down (noise: "
        f"{noise['lags'][0]:.2f}); correlation of its strength with the detail of the picture "
        f"{removed['at_detail']:.2f}."
    )


__all__ = ["removed_structure"]

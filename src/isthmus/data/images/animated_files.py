"""Animations: the duration of each frame, the number of loops, and the settings that each format needs for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

UNTIMED_MS = 100  # for frames without a duration, such as pages: what browsers use for a GIF without one
KEEPS_BELOW = 2  # GIF disposal that clears each frame; otherwise transparent parts show the frame before
WHOLE_FRAMES = 1  # for libwebp: stored as differences, frames with few colors lose their transparency
ANIMATED = {"GIF", "WEBP", "PNG"}


def played(infos: Sequence[dict[str, Any]], kind: str) -> list[int]:
    """The frames to write into a file of `kind`. A PNG may hold one more, for viewers without animation support."""
    first = 1 if infos[0].get("default_image") and kind in ANIMATED - {"PNG"} else 0
    return list(range(first, len(infos)))


def animation_settings(
    infos: Sequence[dict[str, Any]], kind: str, came_from: str, *, is_transparent: bool
) -> dict[str, Any]:
    """Arguments of Pillow's `save` for an animation of `kind` whose frames had `infos` in a file of format `came_from`.

    Every frame is complete, so none is blended over the previous one. GIF counts repeats, one less than the number of
    plays that PNG and WebP count (0: forever); a GIF without a count plays once.
    """
    if kind not in ANIMATED:
        return {}
    found: dict[str, Any] = {"duration": [info.get("duration", UNTIMED_MS) for info in infos]}
    plays = _plays(infos, came_from)
    if kind != "GIF":
        found["loop"] = plays
    elif plays != 1:
        found["loop"] = max(plays - 1, 0)
    if kind == "GIF" and is_transparent:
        found["disposal"] = KEEPS_BELOW
    if kind == "WEBP" and is_transparent:
        found["kmax"] = WHOLE_FRAMES
    if kind == "PNG" and infos[0].get("default_image"):
        found |= {"default_image": True, "duration": found["duration"][1:]}
    return found


def _plays(infos: Sequence[dict[str, Any]], came_from: str) -> int:
    """How often all frames are played; 0: forever, as for pages that become an animation."""
    loop = next((info["loop"] for info in infos if "loop" in info), None)
    if came_from != "GIF":
        return int(loop or 0)
    return 1 if loop is None else int(loop) + 1 if loop else 0


__all__ = ["ANIMATED", "animation_settings", "played"]

"""What this machine computes on, and in which precision it multiplies fastest."""

from __future__ import annotations

import torch

from isthmus.errors import ResourceError


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


def pick_step(name: str, device: torch.device) -> str:
    """`auto`: `graph` on CUDA, else `eager`. Raises: ResourceError for a graph on another device."""
    if name == "graph" and device.type != "cuda":
        message = f"--step graph captures a step on a CUDA device; training runs on {device.type} here."
        raise ResourceError("RESOURCE-DEVICE", message, fix='pass --step auto, or write step = "auto" in config.toml')
    return name if name != "auto" else "graph" if device.type == "cuda" else "eager"

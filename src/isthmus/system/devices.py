"""Chooses the device, and the precision in which it multiplies fastest."""

from __future__ import annotations

import torch

from isthmus.errors import ResourceError


def pick_device(name: str) -> torch.device:
    """`auto`: cuda, else mps, else cpu. Raises: ResourceError for a device that this machine does not have."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, found in there.items() if found))
    if not there[name]:
        raise ResourceError("RESOURCE-DEVICE", f"PyTorch finds no {name} device.", fix="pass --device auto")
    return torch.device(name)


def refuse_absent(name: str | torch.device) -> None:
    """Raises: ResourceError for a device, such as "cuda:1", that PyTorch does not know or does not find here."""
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, ImportError):
        message = f"PyTorch finds no {name} device."
        raise ResourceError("RESOURCE-DEVICE", message, fix='pass device="cpu"') from None


def pick_precision(name: str, device: torch.device) -> str:
    """`auto`: bfloat16 if the hardware supports it, which is 1.2 to 1.7 times faster, otherwise float32.

    Depends on the hardware and not on timing, so that the same seed always gives the same weights.
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
        message = f"--step graph needs a CUDA device, but training runs on {device.type}."
        raise ResourceError("RESOURCE-DEVICE", message, fix='pass --step auto, or set step = "auto" in config.toml')
    return name if name != "auto" else "graph" if device.type == "cuda" else "eager"

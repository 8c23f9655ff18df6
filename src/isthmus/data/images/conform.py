"""`--gray`, `--resize`, `--crop`, `--patches` and `--alpha` for images that came as arrays; files have them applied as
they are decoded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.images.cutting import cut_of, cut_samples
from isthmus.data.images.pixels import FULL
from isthmus.data.images.sizes import parse_size, resized
from isthmus.data.samples import Bundle, Samples

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601, as Pillow has it
BLOCK = 1 << 24  # pixels converted at once


def conform_bundle(bundle: Bundle, options: DataConfig) -> Bundle:
    """Both parts with the channels and the size that `options` ask for."""
    return Bundle(conform(bundle.train, options), None if bundle.test is None else conform(bundle.test, options))


def conform(samples: Samples, options: DataConfig) -> Samples:
    """The samples with the channels and the size that `options` ask for; what fits already is returned as it is.

    An alpha channel of an array is kept unless a backdrop is chosen or gray is wanted.
    """
    cut = cut_of(options)
    if not samples.is_image or (cut is not None and samples.cut == cut.option):  # files are cut as they are read
        return samples
    x, notes = samples.x, []
    if x.shape[1] == 4 and (options.gray or options.alpha in ("white", "black")):
        paper = "black" if options.alpha == "black" else "white"
        x = _on_paper(x, 0.0 if paper == "black" else 1.0)
        notes.append(f"{samples.name}: the alpha channel is laid on {paper}.")
    if x.shape[1] == 3 and options.gray:
        x = _gray(x)
        notes.append(f"{samples.name}: color is turned to gray.")
    if options.resize is not None:
        size = parse_size(options.resize)
        if x.shape[2:] != size:
            notes.append(f"{samples.name}: images brought to {size[0]} x {size[1]} pixels (height x width).")
        x = resized(x, size)
    samples = samples if x is samples.x else replace(samples, x=x, notes=(*samples.notes, *notes))
    return samples if cut is None else cut_samples(samples, cut)


def _gray(x: np.ndarray) -> np.ndarray:
    return _by_blocks(x, 1, lambda part: np.einsum("nchw,c->nhw", part, LUMA)[:, None])


def _on_paper(x: np.ndarray, paper: float) -> np.ndarray:
    """(N, 4, H, W) -> (N, 3, H, W): color * alpha + paper * (1 - alpha)."""
    full = FULL[str(x.dtype)]

    def lay(part: np.ndarray) -> np.ndarray:
        alpha = part[:, 3:] / np.float32(full)
        return part[:, :3] * alpha + np.float32(paper * full) * (1 - alpha)

    return _by_blocks(x, 3, lay)


def _by_blocks(x: np.ndarray, channels: int, convert) -> np.ndarray:
    """`convert` of float32 blocks, back in the type of x, rounded where that is whole."""
    N, _, H, W = x.shape
    out = np.empty((N, channels, H, W), dtype=x.dtype)
    step = max(1, BLOCK // max(1, x[:1].size))
    for start in range(0, N, step):
        part = convert(x[start : start + step].astype(np.float32))
        out[start : start + step] = part if x.dtype == np.float32 else part.round().clip(0, FULL[str(x.dtype)])
    return out

"""Writes processed frames as one file again: an animation with its timing, or a TIFF with pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.images.photograph import SEVERAL, Frame, ImageNeeds, Photograph
from isthmus.data.images.pixels import FORMAT_OF, SUFFIXES
from isthmus.data.images.saving import storable
from isthmus.data.samples import Samples
from isthmus.system.outputs import refuse_existing, refuse_inputs


def save_frames(preprocess: Preprocess, samples: Samples, raw: np.ndarray, out: Path, source: Path) -> Path | None:
    """Writes raw images (N, C, H, W), made from all frames of the file `source`, into the single file `out`.

    Returns the path written, which may have a different suffix than `out`; None if `source` does not have N frames, or
    the format of `out` holds only one. `raw` is as `Preprocess.as_kept` returns it.

    Raises: UsageError if that would replace an input, or an existing file that was not named.
    """
    photograph = _all_frames(samples, raw, out, source)
    if photograph is None:
        return None
    own_scale, C = preprocess.ends is not None, raw.shape[1] - preprocess.alpha
    is_tiff = FORMAT_OF[out.suffix.lower()] == "TIFF"
    kept = [storable(image, out.name, own_scale, is_tiff=is_tiff) for image in raw]
    infos = [frame.info for frame in photograph.frames()]
    frames = [
        Frame(image[:C], image[C] if preprocess.alpha else None, info) for image, info in zip(kept, infos, strict=True)
    ]
    dtype = kept[0].dtype
    needs = ImageNeeds(len(frames), dtype != np.uint8, dtype.kind == "f" or C not in (1, 3), preprocess.alpha)
    fits = needs.fits(FORMAT_OF[out.suffix.lower()])
    target = out if fits else out.with_suffix(needs.suffix(is_timed=photograph.is_timed))
    refuse_inputs(target, source)
    refuse_existing(target, out)
    return photograph.save(frames, target)


def _all_frames(samples: Samples, raw: np.ndarray, out: Path, source: Path) -> Photograph | None:
    """The file whose frames the images are, in order."""
    suffixes = source.suffix.lower(), out.suffix.lower()
    if len(raw) < 2 or samples.cut or not source.is_file() or not SUFFIXES.issuperset(suffixes):
        return None
    photograph = Photograph(source)
    takes = FORMAT_OF[suffixes[1]] in SEVERAL and photograph.n_frames == len(raw)
    return photograph if takes else None


__all__ = ["save_frames"]

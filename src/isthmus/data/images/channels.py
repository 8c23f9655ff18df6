"""Channels that a set of images lacks compared with another set: gray repeated three times, and full opacity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isthmus.data.samples import Samples
from isthmus.data.whole_images import WholeImages


def in_color(samples: Samples) -> Samples:
    """Gray images as color images with three equal channels; transparency stays the last channel."""
    said = f"{samples.name}: gray images for a color model; the gray channel is used three times."
    samples = replace(samples, notes=(*samples.notes, said))
    order = [0, 0, 0, 1] if samples.alpha else [0, 0, 0]
    return samples.changed(lambda x: x[:, order])


def with_opacity(samples: Samples) -> Samples:
    """The images with a transparency channel at the end that is fully opaque."""
    said = f"{samples.name}: images without transparency for a model that expects it; they are treated as opaque."
    full = np.iinfo(samples.x.dtype).max if samples.x.dtype.kind == "u" else 1.0
    whole = samples.whole
    if whole is not None and samples.x_in is None:
        whole = _with_plane(whole, full)
    samples = replace(samples, alpha=True, whole=whole, notes=(*samples.notes, said))
    return samples.changed(lambda x: np.concatenate([x, np.full_like(x[:, :1], full)], axis=1))


def like(samples: Samples, training: Samples) -> Samples:
    """The images, with an opaque transparency channel added if the training images have one and these do not."""
    lacks = training.alpha and samples.is_image and samples.shape[0] == training.shape[0] - 1
    return with_opacity(samples) if lacks and not samples.alpha else samples


def _with_plane(whole: WholeImages, value: float) -> WholeImages:
    sizes = [(int(H), int(W)) for H, W in whole.sizes]
    made = WholeImages.empty(sizes, whole.channels + 1, str(whole.values.dtype), whole.names)
    for i in range(len(whole)):
        made.image(i)[:-1], made.image(i)[-1] = whole.image(i), value
    return made


__all__ = ["in_color", "like", "with_opacity"]

"""The error of an image file, or of one frame, that cannot be used."""

from __future__ import annotations


class Unreadable(ValueError):
    """A file that cannot be used as an image; the text says why, to follow the file's name."""


__all__ = ["Unreadable"]

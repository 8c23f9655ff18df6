"""The error for an image file, or one frame, that cannot be used."""

from __future__ import annotations


class Unreadable(ValueError):
    """A file that cannot be used as an image; the text gives the reason, as a phrase that follows the file's name."""


__all__ = ["Unreadable"]

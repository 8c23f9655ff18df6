"""The style of all figures, and a page with pixel coordinates for their layout.

Only `matplotlib.figure.Figure` is used, never pyplot: no window, no backend, no changes to a user's session.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import font_manager, style
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from isthmus.evaluation.figures.fonts import families, undrawable, warn_of_missing
from isthmus.system.files import write_atomic

DPI = 128  # a power of two, so that inches times DPI is exactly the number of pixels
INK, MUTED, HAIRLINE, PAPER = "#1f2328", "#59636e", "#d0d7de", "#ffffff"  # muted on paper: contrast 6:1
BLUE, VERMILION = "#0072b2", "#d55e00"  # from Okabe and Ito's palette, which color-blind readers can distinguish
BODY, SMALL = 17, 14  # pixels; 13 and 11 if a README page shows a picture of 1,100 pixels with a width of 830
MARGIN = 20
DEFAULT: dict[str, Any] = {"interpolation": "antialiased"}
COMPRESSION = 6  # of zlib: 9 takes three to six times as long for 3 to 5 % of the bytes

LOOK: dict[str, Any] = {
    "text.parse_math": False,  # a class or file may be named "$x$"
    "font.size": BODY * 72 / DPI,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
}
_LOCK = threading.RLock()  # matplotlib's settings are global: one picture at a time


@contextmanager
def look() -> Iterator[None]:
    """A context in which matplotlib uses the style of all figures; afterwards, the user's style is restored."""
    with _LOCK, style.context(["default", LOOK | {"font.family": list(families())}]), _without_glyph_warnings():
        yield


@contextmanager
def _without_glyph_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing", category=UserWarning)
        yield


@lru_cache(4_096)
def text_width(text: str, size: float = BODY) -> float:
    """The width of `text` in a picture, in pixels."""
    font = font_manager.FontProperties(family=list(families()), size=size * 72 / DPI)
    with _without_glyph_warnings():
        return RendererAgg(1, 1, DPI).get_text_width_height_descent(text, font, False)[0]


def fitted(text: str, width: float, size: float = BODY, *, keep: Literal["start", "end"] = "start") -> str:
    """`text` on one line of at most `width` pixels; if it is longer, its start or end is kept, with "…"."""
    line = "".join(c if c.isprintable() else " " for c in text)[:500]
    if text_width(line, size) <= width:
        return line
    shorter = (line[:-1], "{}…") if keep == "start" else (line[1:], "…{}")
    while shorter[0] and text_width(shorter[1].format(shorter[0]), size) > width:
        shorter = (shorter[0][:-1] if keep == "start" else shorter[0][1:], shorter[1])
    return shorter[1].format(shorter[0].strip(" …"))  # a name that was shortened before has one already


class Page:
    """A figure of `width` x `height` pixels; coordinates are pixels from the top left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
        self.axes.set_axis_off()
        self._frames: list[np.ndarray] = []

    def image(self, pixels: np.ndarray, x: float, y: float, width: float, height: float, **colors: Any) -> AxesImage:
        """Draws (H, W) or (H, W, 3 or 4) values into a box: sharp pixels when enlarged, averages when reduced."""
        extent = (x, x + width, y + height, y)
        return self.axes.imshow(pixels, extent=extent, aspect="auto", **(DEFAULT | colors))

    def frames(self, boxes: list[tuple[float, float, float, float]]) -> None:
        """A thin line around each (x, y, width, height), so that light images stand out from the background."""
        corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
        paths = [corners * (w + 1, h + 1) + (x - 0.6, y - 0.6) for x, y, w, h in boxes]  # snaps to the next pixel
        self.axes.add_collection(LineCollection(paths, colors=HAIRLINE, linewidths=72 / DPI, antialiased=False))

    def text(self, text: str, x: float, y: float, *, size: float = BODY, color: str = INK, ha: str = "center") -> None:
        """A line of text, vertically centered at `y`."""
        self.axes.text(x, y, text, size=size * 72 / DPI, color=color, ha=ha, va="center_baseline")


def png(figure: Figure, *, metadata: Mapping[str, str] | None = None) -> bytes:
    """The figure as PNG, without date or version, so that the same figure gives the same bytes."""
    drawn, packed, notes = io.BytesIO(), io.BytesIO(), PngInfo()
    for name, text in ({"Software": "isthmus"} | dict(metadata or {})).items():
        notes.add_text(name, text)
    if lacking := next(filter(None, (undrawable(text.get_text()) for text in figure.findobj(Text))), ""):
        warn_of_missing(lacking)
    with look():
        figure.savefig(drawn, format="rgba", dpi=DPI)
    width, height = (int(side) for side in figure.get_size_inches() * DPI)
    picture = Image.frombytes("RGBA", (width, height), drawn.getbuffer()).convert("RGB")  # the background is opaque
    picture.save(packed, "PNG", dpi=(DPI, DPI), pnginfo=notes, compress_level=COMPRESSION)
    return packed.getvalue()


def save(figure: Figure, path: str | Path, *, metadata: Mapping[str, str] | None = None) -> Path:
    """Writes the figure as PNG, atomically: `path` is the old picture or the complete new one, never a part.

    `metadata` is stored in the text fields of the file. Raises: ResourceError that names the path.
    """
    content = png(figure, metadata=metadata)
    return write_atomic(Path(path), lambda part: part.write_bytes(content))

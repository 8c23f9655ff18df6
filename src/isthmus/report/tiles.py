"""Pictures for the page: arrays as small inline images, many in one sheet, recompressed files of a run folder."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, features

from isthmus.evaluation.figures.contact_sheets import pictures
from isthmus.system import regular

SHARP = 64 * 64  # pixels; up to this size, pictures are stored losslessly and drawn with sharp pixels
SIDE = 256  # most pixels of a picture's longer side, so that several fit next to each other
QUALITY = 82  # of WebP: no visible blocks, with a tenth of a PNG's bytes
FILE_WIDTH = 1_400  # largest width in pixels of a picture from the run folder
FILE_PIXELS = 40_000_000  # isthmus does not draw pictures with more pixels


def tile(picture: np.ndarray) -> str:
    """One (C, H, W) picture, bytes or [0, 1], as a data URI."""
    return tiles(np.asarray(picture)[None])[0]


def tiles(images: np.ndarray) -> list[str]:
    """(N, C, H, W) pictures, bytes or floats in [0, 1], each as a data URI."""
    return [uri(fitting(image)) for image in _images(images)]


def is_sharp(shape: tuple[int, ...]) -> bool:
    """Whether a picture of (C, H, W) is small enough to show its pixels as squares."""
    return math.prod(shape[-2:]) <= SHARP


def colors(values: np.ndarray, columns: int, reach: float, *, signed: bool) -> str:
    """Numbers (Z,) as a sheet of colored cells, row by row: blue above zero, red below; only blue if not signed."""
    from matplotlib import colormaps

    rows = math.ceil(len(values) / columns)
    scaled = np.clip(np.nan_to_num(values) / (reach or 1.0), -1 if signed else 0, 1)
    rgba = colormaps["RdBu" if signed else "Blues"](scaled / 2 + 0.5 if signed else scaled, bytes=True)
    cells = np.zeros((rows * columns, 4), np.uint8)  # cells without a number stay transparent
    cells[: len(values)] = rgba
    return uri(Image.fromarray(cells.reshape(rows, columns, 4)))


def heat(values: np.ndarray, most: float) -> str:
    """Errors (H, W) as a picture, from transparent at zero to strong orange at `most`."""
    share = np.clip(np.nan_to_num(values) / (most or 1.0), 0, 1)
    rgba = np.empty((*share.shape, 4), np.uint8)
    rgba[..., :3] = (213, 94, 0)
    rgba[..., 3] = (255 * share).round()
    return uri(fitting(Image.fromarray(rgba)))


def montage(images: np.ndarray, columns: int, gap: int = 1, *, side: int = SIDE // 2) -> str:
    """Pictures in one image, row by row, with a thin transparent gap between them; each has at most `side` pixels on
    its longer side.
    """
    made = [fitting(image, side) for image in _images(images)]
    width, height = made[0].size
    gap = max(gap, width // 28)
    rows = math.ceil(len(made) / columns)
    mode = "LA" if made[0].mode == "L" else "RGBA"
    sheet = Image.new(mode, (columns * (width + gap) - gap, rows * (height + gap) - gap))
    for i, image in enumerate(made):
        sheet.paste(image.convert(mode), (i % columns * (width + gap), i // columns * (height + gap)))
    return uri(sheet, sharp=is_sharp(made[0].size))


def sprite(images: np.ndarray, columns: int, side: int) -> tuple[str, int, int]:
    """All pictures as one sheet without gaps, each with at most `side` pixels: (data URI, width, height of one)."""
    made = [fitting(image, side) for image in _images(images)]
    width, height = made[0].size
    sheet = Image.new(made[0].mode, (columns * width, math.ceil(len(made) / columns) * height))
    for i, image in enumerate(made):
        sheet.paste(image, (i % columns * width, i // columns * height))
    return uri(sheet, sharp=False), width, height


def uri(image: Image.Image, *, sharp: bool | None = None) -> str:
    """The image as a data URI: PNG for small images, WebP (JPEG if Pillow lacks it) for larger ones."""
    sharp = image.width * image.height <= SHARP if sharp is None else sharp
    packed = io.BytesIO()
    if sharp or (image.mode in ("RGBA", "LA") and not features.check("webp")):
        kind = "png"
        image.save(packed, "PNG", optimize=True)
    elif features.check("webp"):
        kind = "webp"
        image.save(packed, "WEBP", quality=QUALITY, method=4)
    else:
        kind = "jpeg"
        image.convert("L" if image.mode == "L" else "RGB").save(packed, "JPEG", quality=QUALITY)
    return f"data:image/{kind};base64,{base64.b64encode(packed.getvalue()).decode()}"


def from_file(path: Path) -> tuple[str, int, int] | None:
    """A picture of the run folder, recompressed: (data URI, width, height); None if it cannot be read."""
    try:
        return _packed(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow's errors if it is not a PNG
        return None


def _packed(file: Path) -> tuple[str, int, int] | None:
    with regular.opened(file) as content, Image.open(content, formats=("PNG",)) as image:
        if image.width * image.height > FILE_PIXELS:
            return None
        image.load()
        made = fitting(image.convert("RGB"), FILE_WIDTH)
    return uri(made, sharp=False), made.width, made.height


def fitting(image: Image.Image, most: int = SIDE) -> Image.Image:
    """The image, scaled down if its longer side has more than `most` pixels."""
    scale = most / max(image.size)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def _images(images: np.ndarray) -> list[Image.Image]:
    shown = (255 * np.nan_to_num(pictures(images))).round().astype(np.uint8)
    return [Image.fromarray(x[..., 0] if x.shape[-1] == 1 else x) for x in shown]

"""Reads an image file as pixels, and writes new pixels in the same form: format, depth, metadata, frames."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from PIL import Image, TiffImagePlugin

from isthmus.data.images.animated_files import ANIMATED, animation_settings, played
from isthmus.data.images.carried_metadata import (
    DEFLATE,
    KEPT_COMPRESSIONS,
    MOST_JPEG_DPI,
    carried,
    exif_of,
    info_of,
    is_usable,
    png_texts,
)
from isthmus.data.images.deep_files import look_deep, read_frames, turned
from isthmus.data.images.deep_metadata import deep_info, png_chunks, tiff_settings_of
from isthmus.data.images.deep_saving import chunks_of, is_deep, jpeg_2000_bytes, png_bytes, save_tiff
from isthmus.data.images.jpeg_2000_boxes import jpeg_2000_info, with_info
from isthmus.data.images.pixels import (
    ALPHA,
    FORMAT_OF,
    WIDE,
    opened,
    orientation_of,
    refuse_large,
    refuse_unlikely,
)
from isthmus.data.images.unreadable import Unreadable
from isthmus.system.files import write_atomic

QUALITY = 95  # of JPEG and WebP: higher values enlarge files without a visible difference
STRIP = 2**22  # pixels passed to or from Pillow at once: 12 MB in color
BACK = {6: 8, 8: 6}  # the inverse of each rotation; the others are their own inverse
SEVERAL = {"TIFF", *ANIMATED}  # formats that hold more than one frame
NOT_FINITE = "holds NaN or infinite pixels"
LOSSLESS_WEBP, HEAD = b"VP8L", 2**16  # the mark of lossless pixels, and the part of the file to search for it
DEEP, OPAQUE = {"TIFF", "PNG", "JPEG2000"}, {"JPEG", "BMP"}  # formats with 16 bits, and formats without transparency
BARE = {".j2k", ".j2c"}  # suffixes of JPEG 2000 files without metadata
INKS, FULL_INK = {"JPEG", "TIFF"}, 255  # formats that can hold CMYK, and the largest value of an ink


class Frame(NamedTuple):
    """Upright `pixels` (C, H, W) of uint8, uint16 or float32; transparency is `alpha` (H, W); `info` is metadata.

    For a CMYK image, `pixels` are its RGB colors, and `black` (H, W) is its black channel.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    info: dict[str, Any]
    black: np.ndarray | None = None


class Photograph:
    """The frames of an image file, one at a time, and what is needed to write a similar file.

    Raises: Unreadable for an unsupported format or kind of pixel; errors of Pillow.
    """

    def __init__(self, path: Path) -> None:
        refuse_unlikely(path)
        self.path, self.deep = path, look_deep(path)
        self.is_bilevel = False  # whether it holds only black and white
        if self.deep is not None:
            self.format, self.n_frames, self.compression = self.deep.kind, self.deep.frames, None
            self.is_wide, self.is_transparent = self.deep.dtype != "uint8", self.deep.alpha
            self._is_float, self.is_bilevel = self.deep.dtype == "float32", self.deep.is_bilevel
            refuse_large(self.deep.width, self.deep.height)
            return
        with opened(path) as image:
            refuse_large(*image.size)
            self.format = str(image.format)
            self.n_frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
            self.is_wide, self.is_transparent = image.mode in WIDE, _is_transparent(image)
            self._is_float = image.mode in {"I", "F"}
            self.compression = image.info.get("compression") if image.format == "TIFF" else None
            self.is_bilevel = image.mode == "1"

    @property
    def needs_tiff(self) -> bool:
        """Whether no other format can hold the pixels: floats, or bands other than gray and RGB."""
        return self._is_float or (self.deep is not None and self.deep.bands not in (1, 3))

    @property
    def is_timed(self) -> bool:
        """Whether several frames are an animation, rather than pages."""
        return self.format in ANIMATED

    @property
    def is_lossy(self) -> bool:
        """Whether its format does not keep pixel values exactly."""
        return self.format in {"JPEG", "MPO"} or (self.format == "WEBP" and not self.is_lossless_webp)

    @property
    def is_lossless_webp(self) -> bool:
        """Whether a WebP file keeps pixel values exactly."""
        with self.path.open("rb") as file:
            return LOSSLESS_WEBP in file.read(HEAD)

    def frames(self) -> Iterator[Frame]:
        """Every frame, in order."""
        if self.deep is not None:
            for number, (pixels, alpha) in enumerate(read_frames(self.path, self.deep)):
                if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
                    raise Unreadable(NOT_FINITE)
                yield Frame(pixels, alpha, {"frame": number})
            return
        with opened(self.path) as image:
            for number in range(self.n_frames):
                if number and image.format == "TIFF":  # otherwise a page without a profile gets that of the page before
                    image.info.clear()
                image.seek(number)
                refuse_large(*image.size)
                image.load()
                frame = _frame(image)
                own = jpeg_2000_info(self.path) if self.format == "JPEG2000" else {}
                yield frame._replace(info=frame.info | own)

    def save(self, frames: list[Frame], target: Path) -> Path:
        """Writes frames like its own to `target`, atomically, in the format given by the suffix."""
        kind = FORMAT_OF.get(target.suffix.lower(), "PNG")
        infos = [frame.info for frame in frames]
        frames = [frames[number] for number in played(infos, kind)] if len(frames) > 1 else frames
        is_own = kind == self.format == "TIFF" and self.deep is not None  # a TIFF that Pillow reads only in part
        if is_own or any(is_deep(frame.pixels, frame.alpha is not None) for frame in frames):
            return write_atomic(target, lambda part: self._save_deep(frames, kind, part))
        pictures = [_picture(frame, kind) for frame in frames]
        settings = [
            self._settings(kind, frame.info, picture.mode) for frame, picture in zip(frames, pictures, strict=True)
        ]
        if len(pictures) > 1 and kind == "TIFF":
            return write_atomic(target, lambda part: _save_pages(part, pictures, settings))
        if len(pictures) > 1:
            infos, is_transparent = [frame.info for frame in frames], any(frame.alpha is not None for frame in frames)
            settings[0] |= {"save_all": True, "append_images": pictures[1:]}
            settings[0] |= animation_settings(infos, kind, self.format, is_transparent=is_transparent)
        if kind == "JPEG2000":
            made = BytesIO()
            pictures[0].save(made, format=kind, no_jp2=target.suffix.lower() in BARE)
            about = _of_jpeg_2000(infos[0], pictures[0].mode)
            return write_atomic(target, lambda part: part.write_bytes(with_info(made.getvalue(), about)))
        return write_atomic(target, lambda part: pictures[0].save(part, format=kind, **settings[0]))

    def _save_deep(self, frames: list[Frame], kind: str, part: Path) -> None:
        pixels, alpha, bands = frames[0].pixels, frames[0].alpha, len(frames[0].pixels)
        if kind == "TIFF":
            stored = self.deep.stored if self.deep is not None else ""
            source = self.path if self.format == "TIFF" else None
            about = tiff_settings_of(deep_info(self.path, self.format), bands) if source is None else None
            save_tiff(part, [(frame.pixels, frame.alpha) for frame in frames], source, stored, about)
        elif kind == "JPEG2000":
            about = _of_jpeg_2000(deep_info(self.path, self.format), "RGB" if bands > 1 else "L")
            part.write_bytes(with_info(jpeg_2000_bytes(pixels, alpha), about))
        elif self.format == "PNG":
            part.write_bytes(png_bytes(pixels, alpha, chunks_of(self.path.read_bytes())))
        else:
            part.write_bytes(png_bytes(pixels, alpha, png_chunks(deep_info(self.path, self.format), bands)))

    def _settings(self, kind: str, info: dict[str, Any], mode: str) -> dict[str, Any]:
        found = carried(info, mode)
        if kind in {"JPEG", "WEBP"}:
            found |= {"quality": QUALITY} | ({"subsampling": 0} if kind == "JPEG" else {})
        if kind == "JPEG" and not is_usable(found.get("dpi", ()), MOST_JPEG_DPI):  # only its last 16 bits would be kept
            del found["dpi"]
        if kind == self.format == "WEBP" and self.is_lossless_webp:
            found["lossless"] = True
        if kind == "PNG" and info.get("text"):
            found["pnginfo"] = png_texts(info["text"])
        if kind == "TIFF":
            found |= {"exif": exif_of(found["exif"])} if "exif" in found else {}
            found["compression"] = self.compression if self.compression in KEPT_COMPRESSIONS else DEFLATE
        return found


def _of_jpeg_2000(info: dict[str, Any], mode: str) -> dict[str, Any]:
    """The metadata to write into a JPEG 2000 file whose pixels have Pillow's `mode`."""
    return carried(info, mode) | {"boxes": info.get("boxes", ())}


def suffix_of(photograph: Photograph, target: Path) -> Path:
    """`target`, with another suffix if its format cannot hold the file's frames, 16 bits or transparency."""
    kind = FORMAT_OF.get(target.suffix.lower())
    needs = ImageNeeds(photograph.n_frames, photograph.is_wide, photograph.needs_tiff, photograph.is_transparent)
    suffix = needs.suffix(is_timed=photograph.is_timed)
    if kind is None:
        return target.with_name(target.name + suffix)
    return target if needs.fits(kind) else target.with_suffix(suffix)


class ImageNeeds(NamedTuple):
    """What a file must hold: a number of frames, 16 bits or floats, pixels that only TIFF can hold, transparency."""

    n_frames: int
    is_wide: bool
    needs_tiff: bool
    is_transparent: bool

    def fits(self, kind: str) -> bool:
        """Whether the format can hold all of it."""
        if self.n_frames > 1 and kind not in (SEVERAL if not self.is_wide else {"TIFF"}):
            return False
        if self.needs_tiff and kind != "TIFF":
            return False
        return not ((self.is_wide and kind not in DEEP) or (self.is_transparent and kind in OPAQUE))

    def suffix(self, *, is_timed: bool) -> str:
        """The suffix of a format that can hold it: PNG, animated if the frames have durations, otherwise TIFF."""
        pages = self.n_frames > 1 and not is_timed
        return ".tif" if self.needs_tiff or pages or not self.fits("PNG") else ".png"


def _frame(image: Image.Image) -> Frame:
    turn = orientation_of(image) if image.format != "TIFF" else 1  # Pillow rotates a TIFF itself
    info = info_of(image)
    pixels, alpha = _divided(image, turn)
    black = turned(np.asarray(image.getchannel("K"))[None], turn)[0] if image.mode == "CMYK" else None
    return Frame(pixels, alpha, info, black)


def _divided(image: Image.Image, turn: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Upright pixels (C, H, W), a view of (H, W, C), and transparency (H, W) or None."""
    if image.mode in WIDE:
        values = np.asarray(image).astype(np.uint16 if ";16" in image.mode else np.float32)
        if not np.isfinite(values).all():
            raise Unreadable(NOT_FINITE)
        return np.ascontiguousarray(turned(values[None], turn)), None
    transparent = _is_transparent(image)
    gray = image.mode in {"1", "L", "LA", "La"}
    mode = {(True, True): "LA", (True, False): "L", (False, True): "RGBA"}.get((gray, transparent), "RGB")
    planes = _filled(image, mode, turn)
    return (planes[:-1], planes[-1]) if transparent else (planes, None)


def _filled(image: Image.Image, mode: str, turn: int) -> np.ndarray:
    """Upright bytes (C, H, W) of an image in `mode`, strip by strip, so that they are never in memory twice."""
    width, height = image.size
    sides = (width, height) if turn >= 5 else (height, width)
    upright = np.moveaxis(np.empty((*sides, len(mode)), np.uint8), -1, 0)
    as_stored = turned(upright, BACK.get(turn, turn))
    for top, bottom in _strips(height, width):
        values = np.asarray(image.crop((0, top, width, bottom)).convert(mode))
        as_stored[:, top:bottom] = values.reshape(*values.shape[:2], -1).transpose(2, 0, 1)
    return upright


def _strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    step = max(1, STRIP // width)
    return ((top, min(top + step, height)) for top in range(0, height, step))


def _save_pages(part: Path, pictures: list[Image.Image], settings: list[dict[str, Any]]) -> None:
    """A TIFF of pages, each saved with its own settings; Pillow's `save_all` uses those of the first for all."""
    with TiffImagePlugin.AppendingTiffWriter(str(part), new=True) as file:
        for picture, about in zip(pictures, settings, strict=True):
            picture.save(cast(Any, file), format="TIFF", **about)
            file.newFrame()


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ALPHA or (image.mode not in WIDE and "transparency" in image.info)


def _picture(frame: Frame, kind: str) -> Image.Image:
    """A Pillow image for a file of `kind`, filled strip by strip."""
    C, height, width = frame.pixels.shape
    if frame.pixels.dtype != np.uint8:
        return Image.fromarray(np.ascontiguousarray(frame.pixels[0]))
    is_inked = frame.black is not None and C == 3 and kind in INKS
    mode = "CMYK" if is_inked else {1: "L", 3: "RGB"}[C] + "A" * (frame.alpha is not None)
    picture = Image.new(mode, (width, height))
    for top, bottom in _strips(height, width):
        planes = frame.pixels[:, top:bottom]
        planes = planes if frame.alpha is None else np.concatenate([planes, frame.alpha[None, top:bottom]])
        planes = _inks(planes, frame.black[top:bottom]) if is_inked and frame.black is not None else planes
        strip = planes[0] if len(planes) == 1 else np.ascontiguousarray(planes.transpose(1, 2, 0))
        picture.paste(Image.fromarray(np.ascontiguousarray(strip), mode=mode if is_inked else None), (0, top))
    return picture


def _inks(colors: np.ndarray, black: np.ndarray) -> np.ndarray:
    """Cyan, magenta, yellow and black (4, h, w) that give `colors` (3, h, w) with this `black`:
    red = (255 - cyan) (255 - black) / 255.
    """
    light = FULL_INK - black.astype(np.float32)
    share = colors.astype(np.float32) / np.maximum(light, 1)
    inks = np.rint(FULL_INK * (1 - share)).clip(0, FULL_INK).astype(np.uint8)
    return np.concatenate([inks, black[None]])

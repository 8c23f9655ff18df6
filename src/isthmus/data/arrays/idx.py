"""IDX files, the format of MNIST: a magic number, the sizes, then the values.

Source: http://yann.lecun.com/exdb/mnist/ (0, 0, type of the values, number of dimensions; sizes are big-endian).
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.arrays.ndarrays import samples_from_array
from isthmus.data.inputs import InputFile, cut, stem
from isthmus.data.labels import same_classes
from isthmus.data.samples import Bundle, Samples
from isthmus.errors import DataError
from isthmus.system.memory import data_bytes
from isthmus.system.scratch import room

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
TEST_WORDS = {"t10k", "test", "val", "valid"}


class IdxHeader(NamedTuple):
    """The header of an IDX file. `start` is where the values begin."""

    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def start(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def n_bytes(self) -> int:
        """Header and values."""
        return self.start + math.prod(self.shape) * self.dtype.itemsize


def read_idx(path: Path, options: DataConfig) -> Samples:
    """The images of an IDX file, with the labels from the label file next to it, if there is one.

    Raises: DataError if the header, the length or the labels are wrong; ResourceError for lack of memory.
    """
    path = Path(path)
    images, notes = read_idx_array(path, allow_trailing=options.allow_trailing)
    labels = None
    sibling = label_file(path)
    if sibling:
        values, label_notes = read_idx_array(sibling, labels=True, allow_trailing=options.allow_trailing)
        _same_count(path, len(images), sibling, len(values))
        labels = values
        notes += label_notes
    if path.name.lower().startswith("emnist"):
        notes += (
            "EMNIST files store their images transposed; read by name, such as emnist/letters, they are upright.",
        )
    samples = samples_from_array(images, labels=labels, name=stem(path), options=options)
    return replace(samples, notes=notes + samples.notes)


def read_idx_folder(folder: Path, options: DataConfig) -> Bundle:
    """The training and test images of a folder of IDX files, each with its labels.

    Raises: DataError if the folder holds no image file, or the images of several data sets.
    """
    folder = Path(folder)
    images = image_files(folder)
    if not images:
        message = f"{folder} holds no IDX image file (looked for names that contain images and idx3)."
        raise DataError(
            "DATA-IDX", message, fix="use a folder with train-images-idx3-ubyte and the three files that belong to it"
        )
    test = [p for p in images if _is_test(p)]
    train = [p for p in images if p not in test]
    if len(train) > 1 or len(test) > 1:
        names = [p.name for p in images]
        message = f"{folder} holds the images of several data sets."
        raise DataError("DATA-IDX", message, fix=f"pass a single file, such as {images[0]}", problems=names)
    parts = [read_idx(p, options) for p in (train + test)]
    if len(parts) == 1:
        return Bundle(parts[0])
    return Bundle(*same_classes(parts[0], parts[1]))


def read_idx_array(
    path: Path, *, labels: bool = False, allow_trailing: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The values of an IDX file, (N, H, W) or (N,) for labels, and notes.

    No more than the size in the header, plus one byte, is ever decompressed. A file that is not compressed and is
    larger than the free memory is mapped, not read.
    """
    with InputFile(path) as file:
        header = read_header(file, labels=labels)
        _refuse_impossible(file, header)
        if _should_map(file, header):
            return _mapped(file, header, allow_trailing)
        array = room(header.shape, header.dtype, file.name)
        found = file.fill(array) + header.start
        if found < header.n_bytes:
            raise cut(file.name, header.n_bytes, found)
        notes = _trailing(file, header, len(file.read(1)), allow_trailing)
    return array, file.notes + notes


def read_header(file: InputFile, *, labels: bool = False) -> IdxHeader:
    """The header at the beginning of `file`.

    Raises: DataError if it is truncated, is not an IDX header, or describes labels instead of images or the reverse.
    """
    what, n_wanted = ("label", 1) if labels else ("image", 3)
    raw = file.read(4)
    code, n_dims = (raw[2], raw[3]) if len(raw) == 4 else (0, 0)
    if len(raw) == 4 and (raw[:2] != b"\0\0" or code not in TYPES or not 1 <= n_dims <= 4):
        message = f"{file.name} is not an IDX file: its magic number is {int.from_bytes(raw, 'big')} ({raw!r})."
        raise DataError("DATA-IDX", message, fix=f"images have the magic number 2051, labels 2049; {_AGAIN}")
    if len(raw) == 4 and (n_dims < 3) != labels:
        raise _wrong_role(file.path, raw, n_dims, labels)
    needed = 4 + 4 * (n_dims or n_wanted)
    raw += file.read(needed - 4)
    if len(raw) < needed:
        article = "an" if what == "image" else "a"
        message = f"{file.name}: the file has {len(raw)} bytes, but {article} IDX {what} header needs {needed}."
        raise DataError("DATA-IDX", message, fix=_AGAIN)
    shape = tuple(int.from_bytes(raw[i : i + 4], "big") for i in range(4, needed, 4))
    if 0 in shape:
        message = f"{file.name}: its header says {' x '.join(map(str, shape))}, so it holds no {what}s."
        raise DataError("DATA-IDX", message, fix=_AGAIN)
    return IdxHeader(np.dtype(TYPES[code]), shape)


_AGAIN = "download the file again"


def image_files(folder: Path) -> list[Path]:
    """The IDX image files in a folder; of a file and its .gz copy, the uncompressed one."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # the shorter name, without .gz, comes last and wins
        if re.search(r"images?[-._]idx[34]", path.name) and path.is_file():
            found[path.name.removesuffix(".gz")] = path
    return [found[name] for name in sorted(found)]


def label_file(images: Path) -> Path | None:
    """The label file next to an image file, in any of the usual spellings, compressed or not."""
    return _beside(images, "images", "labels", "1")


def _image_file(labels: Path) -> Path | None:
    return _beside(labels, "labels", "images", "3")


def _beside(path: Path, old: str, new: str, n_dims: str) -> Path | None:
    if old not in path.name:
        return None
    name = re.sub(r"idx\d", f"idx{n_dims}", path.name.removesuffix(".gz").replace(old, new))
    spellings = dict.fromkeys([name, name.replace("-idx", ".idx"), name.replace(".idx", "-idx")])
    both = [path.with_name(spelling + packing) for spelling in spellings for packing in ("", ".gz")]
    both.sort(key=lambda p: p.suffix != path.suffix)  # first a file that is compressed in the same way
    return next((p for p in both if p.is_file() and p != path), None)


def _wrong_role(path: Path, raw: bytes, n_dims: int, labels: bool) -> DataError:
    is_now, wanted = ("images", "labels (2049)") if labels else ("labels", "images (2051)")
    magic = int.from_bytes(raw, "big")
    message = f"{path.name}: magic number {magic} means {is_now} ({n_dims}-dimensional), but {wanted} are needed."
    sibling = label_file(path) if labels else _image_file(path)
    return DataError("DATA-IDX", message, fix=f"use {sibling or f'the file with the {wanted[:6]}'}")


def _refuse_impossible(file: InputFile, header: IdxHeader) -> None:
    """Refuses a header that declares more than the file can hold, before memory is allocated (bombs, bit flips)."""
    if header.n_bytes > file.most_bytes:
        raise cut(file.name, header.n_bytes, file.size)


def _should_map(file: InputFile, header: IdxHeader) -> bool:
    most = data_bytes()
    return not file.gzipped and most is not None and header.n_bytes > most


def _mapped(file: InputFile, header: IdxHeader, allow_trailing: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    notes = _trailing(file, header, file.size - header.n_bytes, allow_trailing)
    array = np.memmap(file.path, header.dtype, "r", offset=header.start, shape=header.shape)
    return array, (*file.notes, *notes)


def _trailing(file: InputFile, header: IdxHeader, n_more: int, allowed: bool) -> tuple[str, ...]:
    if n_more <= 0:
        return ()
    at_least = f"{file.size - header.n_bytes:,} bytes" if not file.gzipped else "more bytes"
    message = f"{file.name}: {at_least} follow the {header.n_bytes:,} that its header declares"
    if not allowed:
        raise DataError("DATA-IDX", f"{message}.", fix="download it again, or pass --allow-trailing to read it anyway")
    return (f"{message}; they are ignored.",)


def _same_count(images: Path, n_images: int, labels: Path, n_labels: int) -> None:
    if n_images != n_labels:
        message = f"{images.name} holds {n_images:,} images, but {labels.name} holds {n_labels:,} labels."
        raise DataError("DATA-COUNT", message, fix="use two files from the same download")


def _is_test(path: Path) -> bool:
    return bool(TEST_WORDS & set(re.split(r"[-_.]", path.name.lower())))

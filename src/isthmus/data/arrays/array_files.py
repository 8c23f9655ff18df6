"""Array files: .npy and .npz."""

from __future__ import annotations

import errno
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.arrays.ndarrays import samples_from_array
from isthmus.data.arrays.npy import NpyHeader, is_npy, read_header, read_values, refuse_kind, trailing
from isthmus.data.inputs import MOST_PACKED, ZIP, InputFile, Reader, cut, damaged, stem, unreadable, wrong_content
from isthmus.data.labels import same_classes
from isthmus.data.samples import Bundle, Samples
from isthmus.data.schema import Expected
from isthmus.errors import DataError
from isthmus.wording import printable

__all__ = ["read_npy", "read_npy_array", "read_npz", "samples_from_array"]

BROKEN_ZIP = (ValueError, NotImplementedError, RuntimeError, EOFError, OverflowError, struct.error)
PAIRS = (  # usual names of samples and labels, for training and test: Keras, MedMNIST, scikit-learn and others
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("train_x", "train_y", "test_x", "test_y"),
    ("images", "labels", "", ""),
    ("data", "labels", "", ""),
    ("data", "target", "", ""),
    ("x", "y", "", ""),
)


class Choice(NamedTuple):
    """The names of the arrays in an archive that hold samples and labels, for training and test; "" for none."""

    x: str
    y: str = ""
    x_test: str = ""
    y_test: str = ""

    @property
    def used(self) -> set[str]:
        return {key for key in self if key}


def read_npy(path: Path, options: DataConfig, *, expected: Expected | None = None) -> Samples:
    """The samples of a .npy file; `expected` are the columns of a trained model. A file that is not compressed is
    mapped, so byte arrays can be larger than memory.

    Raises: DataError for a file that is not .npy, is truncated, or holds no numbers.
    """
    path = Path(path)
    array, notes = _array_of(path, options)
    samples = samples_from_array(array, name=stem(path), options=options, expected=expected)
    return replace(samples, notes=notes + samples.notes)


def read_npy_array(path: Path, options: DataConfig) -> np.ndarray:
    """The array of a .npy file, unchanged; mapped unless it is compressed. Raises: DataError as `read_npy`."""
    return _array_of(path, options)[0]


def _array_of(path: Path, options: DataConfig) -> tuple[np.ndarray, tuple[str, ...]]:
    with InputFile(path) as file:
        if not is_npy(file.head):
            raise wrong_content(path, file.head, "a NumPy array")
        what = "the array"
        header = read_header(file, what=what)
        if not file.gzipped:
            return _mapped(file, header, what, options), file.notes
        most, more = file.most_bytes, options.allow_trailing
        return read_values(file, header, what=what, most_bytes=most, allow_trailing=more), file.notes


def _mapped(file: InputFile, header: NpyHeader, what: str, options: DataConfig) -> np.ndarray:
    refuse_kind(header.dtype, f"{file.name}: {what}")
    if file.size < header.n_bytes:
        raise cut(file.name, header.n_bytes, file.size)
    if file.size > header.n_bytes and not options.allow_trailing:
        raise trailing(file.name, header)
    if header.n_bytes == header.start:
        return np.empty(header.shape, header.dtype)
    order = "F" if header.fortran else "C"
    return np.memmap(file.path, header.dtype, "r", offset=header.start, shape=header.shape, order=order)


def read_npz(path: Path, options: DataConfig, *, expected: Expected | None = None) -> Bundle:
    """The samples of an .npz file: x and y, x_train and so on, images and labels, or the array that `--key` names;
    `expected` as for `read_npy`.

    Raises: DataError for a file that is not .npz, is damaged, holds no numbers, or holds several arrays when it is
    unclear which one to use.
    """
    path = Path(path)
    with InputFile(path) as file:
        if not file.head.startswith(ZIP):
            raise wrong_content(path, file.head, "an .npz archive")
        try:
            with zipfile.ZipFile(file.stream) as archive:
                return _from_archive(archive, file, options, expected)
        except zipfile.BadZipFile as error:
            why = (
                "its directory at the end of the file is missing, so it is truncated"
                if "not a zip" in str(error)
                else error
            )
            raise damaged(file.name, f"the archive is damaged ({why})") from None
        except OSError as error:
            if error.errno != errno.EINVAL:  # a damaged directory causes EINVAL by pointing before the file
                raise unreadable(file.name, error) from None
            raise damaged(file.name, "the archive is damaged (its directory points nowhere)") from None
        except BROKEN_ZIP as error:
            raise damaged(file.name, f"the archive is damaged ({printable(str(error))[:100]})") from None


def _from_archive(archive: zipfile.ZipFile, file: InputFile, options: DataConfig, expected: Expected | None) -> Bundle:
    arrays = (info for info in archive.infolist() if info.filename.endswith(".npy"))
    members = {info.filename.removesuffix(".npy"): info for info in arrays}
    headers = {key: _header(archive, info, file.name) for key, info in members.items()}
    choice, choice_notes = choose_arrays(
        {key: header.shape for key, header in headers.items()}, options.key, file.name, headers
    )
    values = {key: _values(archive, members[key], file.name, options) for key in choice.used}
    unused = [key for key in members if key not in choice.used]
    notes = file.notes + choice_notes
    if unused and options.key is None:
        notes += (f"{file.name}: arrays not read: {', '.join(map(printable, unused))}; --key NAME reads one of them.",)
    name = stem(file.path)
    known: dict[str, Any] = {"name": name, "options": options, "expected": expected}
    train = samples_from_array(values[choice.x], labels=values.get(choice.y), **known)
    train = replace(train, notes=notes + train.notes)
    if not choice.x_test:
        return Bundle(train)
    test = samples_from_array(values[choice.x_test], labels=values.get(choice.y_test), **known)
    return Bundle(*same_classes(train, test))


def choose_arrays(
    shapes: dict[str, tuple[int, ...]], key: str | None, name: str, headers: dict[str, NpyHeader]
) -> tuple[Choice, tuple[str, ...]]:
    """The arrays to use, and notes on guesses.

    Raises: DataError with a table of names, shapes and types if `key` is unknown, or if it is unclear which to use.
    """
    table = [f"{printable(k)}: {' x '.join(map(str, h.shape)) or 'one value'}, {h.dtype}" for k, h in headers.items()]
    if key is not None and key not in shapes:
        raise DataError(
            "DATA-KEY", f'{name} holds no array "{printable(key)}".', fix=f"use {_keys(shapes)}", problems=table
        )
    if key is not None:
        return Choice(key, _partner(key, shapes)), ()
    lowered = {k.lower(): k for k in shapes}
    likely = [[lowered.get(word, "") for word in names] for names in PAIRS if names[0] in lowered]
    if likely:
        found = max(likely, key=lambda keys: sum(map(bool, keys)))
        return Choice(*(found if found[2] else found[:2])), ()
    if len(shapes) == 1:
        return Choice(*shapes), ()
    guess = _samples_and_labels(shapes)
    if guess:
        return guess, (
            f"{name}: {printable(guess.y)} has one value per sample of {printable(guess.x)} and is used as the labels.",
        )
    if not shapes:
        raise DataError("DATA-KEY", f"{name} holds no array (.npy).", fix="save it with numpy.savez(file, x=x, y=y)")
    message = f"{name} holds {len(shapes)} arrays, and it is unclear which one holds the samples."
    raise DataError("DATA-KEY", message, fix=f"pass {_keys(shapes)}", problems=table)


def _keys(shapes: dict[str, tuple[int, ...]]) -> str:
    return " or ".join(f"--key {printable(key)}" for key in list(shapes)[:5]) or "another file"


def _partner(key: str, shapes: dict[str, tuple[int, ...]]) -> str:
    """The labels that belong to samples of this name."""
    lowered = {k.lower(): k for k in shapes}
    pairs = [(names[i], names[i + 1]) for names in PAIRS for i in (0, 2) if names[i]]
    pairs.append(("val_images", "val_labels"))
    return next((lowered[y] for x, y in pairs if x == key.lower() and y in lowered), "")


def _samples_and_labels(shapes: dict[str, tuple[int, ...]]) -> Choice | None:
    """If there are two arrays, the one with one value per sample as labels: what numpy.savez(file, x, y) writes."""
    if len(shapes) != 2:
        return None
    x, y = sorted(shapes, key=lambda k: -len(shapes[k]))
    fits = len(shapes[x]) >= 2 and len(shapes[y]) == 1 and shapes[x][0] == shapes[y][0]
    return Choice(x, y) if fits else None


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> NpyHeader:
    with archive.open(info) as stream:
        return read_header(Reader(stream, name), what=_what(info))


def _values(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, options: DataConfig) -> np.ndarray:
    most = min(info.file_size, info.compress_size * MOST_PACKED)
    with archive.open(info) as stream:
        file, what = Reader(stream, name), _what(info)
        header = read_header(file, what=what)
        if header.dtype.kind in "US" and not header.dtype.hasobject and len(header.shape) == 1:
            return _texts(file, header, most)
        return read_values(file, header, what=what, most_bytes=most, allow_trailing=options.allow_trailing)


def _texts(file: Reader, header: NpyHeader, most_bytes: int) -> np.ndarray:
    """Labels that are strings."""
    if header.n_bytes > most_bytes or not header.dtype.itemsize:
        raise cut(file.name, header.n_bytes, most_bytes)
    raw = file.read(header.n_bytes - header.start)
    if len(raw) < header.n_bytes - header.start:
        raise cut(file.name, header.n_bytes, header.start + len(raw))
    try:
        return np.array([str(word) for word in np.frombuffer(raw, header.dtype).astype(str)])
    except (UnicodeDecodeError, ValueError):
        raise damaged(file.name, "its strings cannot be read") from None


def _what(info: zipfile.ZipInfo) -> str:
    return f"array '{printable(info.filename.removesuffix('.npy'))}'"

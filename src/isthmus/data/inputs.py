"""Input files: recognized by their first bytes, decompressed within limits, with errors that name the file."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.errors import DataError, ResourceError
from isthmus.system.memory import size_of
from isthmus.wording import printable

GZIP, ZIP, NPY, PARQUET = b"\x1f\x8b", b"PK", b"\x93NUMPY", b"PAR1"
MOST_PACKED = 1032  # the highest compression ratio of DEFLATE: 258 bytes in two bits
HEAD = 512  # bytes that are enough to recognize a file
UNKNOWN = "data of an unknown kind"
STEP = 1 << 24  # bytes read at once: large enough to be fast, small compared with any data set

KINDS = (
    (GZIP, "gzip data"),
    (ZIP, "a zip archive (.npz, .zip or .xlsx)"),
    (NPY, "a NumPy array (.npy)"),
    (PARQUET, "a Parquet table"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89HDF", "an HDF5 file"),
    (b"MATLAB", "a MATLAB file"),
    (b"%PDF", "a PDF"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ", "xz data"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\x28\xb5\x2f\xfd", "zstandard data"),
    (b"ARROW1", "an Arrow file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)"),
    (b"\x80\x04\x95", "a Python pickle"),
)
DATA_SUFFIXES = {".csv", ".tsv", ".txt", ".data", ".dat", ".parquet", ".npy", ".npz", ".idx"}


class Reader:
    """A binary stream whose errors include the file's name and the number of bytes read so far."""

    def __init__(self, stream: Any, name: str) -> None:
        self.stream, self.name, self.position = stream, name, 0

    def read(self, n: int = -1, /) -> bytes:
        """Up to `n` bytes, fewer only at the end; all remaining bytes for -1."""
        found = self._guarded(lambda: self.stream.read(n))
        self.position += len(found)
        return found

    def fill(self, array: np.ndarray) -> int:
        """Reads into a contiguous `array` until it is full or the file ends; returns the number of bytes read."""
        buffer, done = array.reshape(-1).view(np.uint8).data, 0
        while done < len(buffer):
            part = buffer[done : done + STEP]
            got = self._guarded(lambda part=part: self.stream.readinto(part))
            if not got:
                break
            done += got
            self.position += got
        return done

    def _guarded(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except EOFError:
            raise damaged(self.name, f"it ends after {self.position:,} unpacked bytes: it is truncated") from None
        except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
            raise damaged(
                self.name, f"the content is damaged after {self.position:,} unpacked bytes ({error})"
            ) from None
        except OSError as error:
            raise unreadable(self.name, error) from None


class InputFile(Reader):
    """A file opened for reading, decompressed if it is gzip, whatever its suffix.

    `size` is the size on disk, `head` the first bytes (decompressed). `notes` reports a suffix that contradicts the
    content.

    Raises: DataError if the file does not exist or is empty; ResourceError if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._raw = path, _opened(path)
        try:
            self.size = path.stat().st_size
            self.gzipped = self._raw.read(2) == GZIP
            super().__init__(None, printable(path.name))
            self.rewind()
            self.head = self.read(HEAD)
            self.rewind()
        except BaseException:
            self._raw.close()
            raise
        self.notes = self._mismatch()

    @property
    def most_bytes(self) -> int:
        """The most bytes that the file can hold after decompression."""
        return self.size * MOST_PACKED if self.gzipped else self.size

    def rewind(self) -> None:
        self._raw.seek(0)
        self.stream = gzip.GzipFile(fileobj=self._raw) if self.gzipped else self._raw
        self.position = 0

    def __enter__(self) -> InputFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def _mismatch(self) -> tuple[str, ...]:
        if self.gzipped == (self.path.suffix.lower() == ".gz"):
            return ()
        how = "holds gzip data without the suffix .gz" if self.gzipped else "is named .gz but is not compressed"
        return (f"{self.name} {how}; the content decides how it is read.",)


def _opened(path: Path) -> Any:
    try:
        if path.is_dir():
            raise DataError("DATA-FILE", f"{printable(path)} is a folder; a file is needed.", fix="pass a file in it")
        stream = path.open("rb")
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise unreadable(printable(path), error) from None
    if path.is_file() and path.stat().st_size == 0:
        stream.close()
        raise DataError("DATA-EMPTY", f"{printable(path.name)} is empty (0 bytes).", fix="download or export it again")
    return stream


def missing(path: Path) -> DataError:
    """The error for a path that does not exist, with the most similar name in its folder."""
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    # in a short name, the suffix is half of it, and any .csv would be similar to any other
    like = [name for name in beside if get_close_matches(path.stem, [Path(name).stem])]
    near = get_close_matches(path.name, like, n=1)
    fix = f"did you mean {printable(path.parent / near[0])}?" if near else "check the path"
    return DataError("DATA-FILE", f"there is no file {printable(path)}.", fix=fix)


def damaged(name: str, what: str) -> DataError:
    """The error for a file that was truncated or changed in transfer."""
    return DataError("DATA-DAMAGED", f"{name}: {what}.", fix="download or copy the file again (re-download)")


def cut(name: str, expected: int, found: int) -> DataError:
    """The error for a file that is shorter than its own header says."""
    short = f"its header declares {expected:,} bytes ({size_of(expected)}), but the file has {found:,}: it is truncated"
    return damaged(name, short)


def unreadable(name: str, error: Exception) -> ResourceError:
    """The error for a file that the operating system refuses to read."""
    reason = getattr(error, "strerror", None) or str(error)
    return ResourceError(
        "RESOURCE-READ", f"{name} cannot be read: {reason}.", fix="check the disk and your permissions"
    )


def kind_of(head: bytes) -> str:
    """A description of the kind of file, from its first bytes."""
    for magic, words in KINDS:
        if head.startswith(magic):
            return words
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "an HTML page (an error page saved as a download?)"
    return "text" if looks_like_text(head) else UNKNOWN


def is_known(head: bytes) -> bool:
    """Whether a file's first bytes belong to a known kind other than text."""
    return kind_of(head) not in ("text", UNKNOWN)


def looks_like_text(head: bytes) -> bool:
    return bool(head) and not any(byte < 32 and byte not in b"\t\r\n\f" for byte in head)


def wrong_content(path: Path, head: bytes, wanted: str) -> DataError:
    """The error for content that does not match the suffix: "named .npz but starts with …, looks like text"."""
    kind, suffix = kind_of(head), path.suffix.lower()
    named = f"is named {suffix} but starts with" if suffix else "starts with"
    message = f"{printable(path.name)} {named} {head[:12]!r} and looks like {kind}, not like {wanted}."
    fix = "download the file again" if "HTML" in kind else "give it the suffix of its real format, or export it again"
    return DataError("DATA-CONTENT", message, fix=fix)


def stem(path: Path) -> str:
    """The file's name without the suffixes of compression and format.

    >>> stem(Path("a/train.csv.gz")), stem(Path("train-images-idx3-ubyte"))
    ('train', 'train-images-idx3-ubyte')
    """
    bare = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return bare.stem if bare.suffix.lower() in DATA_SUFFIXES else bare.name

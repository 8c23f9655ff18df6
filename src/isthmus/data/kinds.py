"""The kind of a file, from its first bytes, or from its suffix if these do not tell."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from isthmus.data.arrays.idx import TYPES
from isthmus.data.arrays.npy import is_npy
from isthmus.data.images.pixels import SUFFIXES
from isthmus.data.inputs import PARQUET, ZIP, InputFile, kind_of, looks_like_text
from isthmus.errors import DataError
from isthmus.wording import printable

IMAGE_HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",
               b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")  # fmt: skip
BY_SUFFIX = {
    ".npy": "npy", ".npz": "npz", ".parquet": "parquet", ".pq": "parquet", ".idx": "idx",
    ".csv": "table", ".tsv": "table", ".txt": "table", ".data": "table", ".dat": "table",
} | dict.fromkeys(SUFFIXES, "image")  # fmt: skip
PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib"}
EXPORTS = {  # formats that are not read, and how to convert them
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "export the sheet as CSV"),
    **dict.fromkeys((".json", ".jsonl", ".feather", ".arrow"), "save it as CSV or Parquet"),
    **dict.fromkeys((".h5", ".hdf5", ".mat"), "save its array with numpy.save"),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar"), "unpack it and name the folder or the file in it"),
    **dict.fromkeys((".mp4", ".avi", ".mov"), "save its frames as images"),
}
READ = "images, .csv, .tsv, .parquet, .npy, .npz and IDX files"


def kind_of_file(path: Path) -> str:
    """`"idx"`, `"npy"`, `"npz"`, `"parquet"`, `"image"` or `"table"`.

    Raises: DataError for other formats, naming the format and how to convert it; a pickle is never opened.
    """
    if not path.is_file():
        message = f"{printable(path)} is neither a file nor a folder."
        raise DataError("DATA-FILE", message, fix=f"check the path; isthmus reads {READ}")
    suffixes = [s.lower() for s in path.suffixes]
    last = next((s for s in reversed(suffixes) if s != ".gz"), "")
    with InputFile(path) as file:
        kind = _by_content(file.head, path)
        head = file.head
    if kind is not None:
        return kind
    if last in PICKLES or head.startswith(b"\x80"):
        raise _pickle(path)
    if last not in BY_SUFFIX and last in EXPORTS:
        message = f"{printable(path)} is {kind_of(head)}, which isthmus does not read."
        raise DataError("DATA-KIND", message, fix=EXPORTS[last])
    if last in BY_SUFFIX:
        return BY_SUFFIX[last]
    if re.search(r"idx\d", path.name):
        return "idx"
    if looks_like_text(head) and "HTML" not in kind_of(head):
        return "table"
    found = f"{kind_of(head)} (it starts with {head[:8]!r})"
    message = f"{printable(path)} looks like {found}, which isthmus does not read."
    raise DataError("DATA-KIND", message, fix=f"convert it; isthmus reads {READ}")


def suffix_note(path: Path, kind: str) -> tuple[str, ...]:
    """A note about a suffix that disagrees with the content."""
    by_suffix = BY_SUFFIX.get(next((s.lower() for s in reversed(path.suffixes) if s.lower() != ".gz"), ""))
    if by_suffix in (None, kind):
        return ()
    article = "an" if kind[0] in "ain" else "a"
    return (f"{printable(path.name)} is read as {article} {kind} file, based on its content.",)


def _by_content(head: bytes, path: Path) -> str | None:
    if len(head) >= 4 and head[:2] == b"\0\0" and head[2] in TYPES and 1 <= head[3] <= 4:
        return "idx"
    if is_npy(head):
        return "npy"
    if head.startswith(PARQUET):
        return "parquet"
    if head.startswith(IMAGE_HEADS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image"
    if head[:2] == b"BM" and int.from_bytes(head[2:6], "little") == path.stat().st_size:
        return "image"
    return _in_zip(path) if head.startswith(ZIP) else None


def _in_zip(path: Path) -> str | None:
    """`"npz"`, or None for other archives. Raises: DataError for PyTorch's pickles."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if any(name.endswith("data.pkl") for name in names):
        raise _pickle(path)
    return "npz" if any(name.endswith(".npy") for name in names) else None


def _pickle(path: Path) -> DataError:
    message = f"{printable(path)} is a pickle, which can run code when it is opened; isthmus never opens one."
    return DataError("DATA-PICKLE", message, fix="save the array with numpy.save, or the table as CSV or Parquet")

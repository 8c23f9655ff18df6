"""File names: natural sorting, text for storage, and safe paths below a folder."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path, PurePosixPath

LONGEST_NAME = 200  # bytes; file systems allow 255, and temporary names and suffixes need some of them
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}  # on Windows
FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]' if os.name == "nt" else r"\x00")


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """A sort key with which `img2` comes before `img10`; names with equal keys are sorted as text.

    >>> sorted(["img10", "Img2", "img1"], key=natural_key)
    ['img1', 'Img2', 'img10']
    """
    pieces = re.split(r"([0-9]+)", name.casefold())
    return tuple(int(piece) if i % 2 else piece for i, piece in enumerate(pieces)), name


def text_of(path: Path) -> str:
    """A relative path as text with `/` that can be stored anywhere; bytes that are not UTF-8 are written as %FF."""
    raw = os.fsencode(path.as_posix()).decode("utf-8", "surrogateescape")
    return "".join(f"%{ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in raw)


def safe_name(name: str) -> PurePosixPath:
    r"""A sample's id as a relative path that stays below its folder and is valid for the file system.

    Subfolders are kept; drive letters, roots, `..` and NUL are removed.

    >>> safe_name("../../etc/passwd"), safe_name("C:\\cats\\1.png")
    (PurePosixPath('etc/passwd'), PurePosixPath('cats/1.png'))
    """
    pieces = re.sub(r"^[A-Za-z]:(?=[\\/])", "", name).replace("\\", "/").split("/")
    kept = [_safe_piece(piece) for piece in pieces if piece.strip(". ")]
    return PurePosixPath(*kept) if kept else PurePosixPath("unnamed")


def _safe_piece(piece: str) -> str:
    piece = FORBIDDEN.sub("_", piece)
    if os.name == "nt":
        piece = piece.rstrip(". ")
    if piece.split(".")[0].casefold() in RESERVED:
        piece = f"_{piece}"
    return _shortened(piece)


def _shortened(piece: str) -> str:
    raw = piece.encode("utf-8", "surrogateescape")
    if len(raw) <= LONGEST_NAME:
        return piece
    stem, suffix = os.path.splitext(piece)
    suffix = suffix if len(suffix) <= 8 else ""  # a longer one is not a file type
    mark = hashlib.sha256(raw).hexdigest()[:8]  # distinguishes names with the same beginning
    head = stem.encode("utf-8", "surrogateescape")[: LONGEST_NAME - 20].decode("utf-8", "ignore")
    return f"{head}-{mark}{suffix}"

"""Extracts chosen members of a zip archive."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from isthmus.errors import DataError
from isthmus.system.files import write_atomic
from isthmus.system.memory import size_of

MOST_UNPACKED = 1 << 31  # the most bytes that a member may unpack to; EMNIST's largest has 0.55 GB


def extract(archive: Path, members: Mapping[str, Path]) -> None:
    """Extracts members by name, each to the path given for it, atomically.

    Only the given names are looked up, so the archive cannot choose where files go; sizes are limited and checksums
    compared.

    Raises: DataError for a damaged archive or a missing member.
    """
    fix = f"delete {archive} and try again"
    try:
        with zipfile.ZipFile(archive) as packed:
            missing = set(members) - set(packed.namelist())
            if missing:
                raise DataError("DATA-ARCHIVE", f"{archive} has no member {min(missing)}.", fix=fix)
            for name, path in members.items():
                info = packed.getinfo(name)
                if info.file_size > MOST_UNPACKED:
                    raise zipfile.BadZipFile(f"{name} claims to unpack to {size_of(info.file_size)}")
                with packed.open(info) as source:
                    write_atomic(path, lambda part, source=source: _copy(source, part))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError("DATA-DAMAGED", f"{archive} is damaged: {error}.", fix=fix) from None


def _copy(source: IO[bytes], part: Path) -> None:
    with part.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)

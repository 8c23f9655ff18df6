"""Atomic writes that never lose existing files: temporary file, flush, rename; and folders with a manifest.

A manifest lists size and SHA-256 of every file, so that a damaged or exchanged file is detected before it is used.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from isthmus.errors import ModelFileError, ResourceError
from isthmus.system import regular
from isthmus.system.anchoring import anchored
from isthmus.system.passing_errors import patiently
from isthmus.system.places import guard, refuse_other_kinds, remedy
from isthmus.system.swapping import PART, held, in_use, remove, standing, swap
from isthmus.version import __version__
from isthmus.wording import shortened

T = TypeVar("T")
FORMAT = 1  # format of run and model folders; increased when older versions of isthmus cannot read it
MANIFEST = "MANIFEST.json"
STATED = (".json", ".safetensors")  # suffixes of files that are read from such a folder, so they must be listed
REPLACED_MOST = 10  # how often a folder is read again because it was replaced; a run replaces its model once
FULL = {errno.ENOSPC, errno.EDQUOT, None}  # numpy reports a truncated write without an error number
MORE_FILES = "close other programs, or allow more open files with `ulimit -n 4096`"
IN_THE_WAY = "choose another path, because a file or folder is in the way"
FIXES = {errno.EMFILE: MORE_FILES, errno.ENFILE: MORE_FILES, errno.ENAMETOOLONG: "choose a shorter name"}
FIXES |= dict.fromkeys((errno.EISDIR, errno.ENOTDIR, errno.EEXIST), IN_THE_WAY)


def write_atomic(path: Path, write: Callable[[Path], Any], *, within: Path | None = None) -> Path:
    """Calls `write(temporary path next to path)`, flushes to disk and renames: either the old or the new file exists.

    The temporary file has the same suffix, because writers choose the format by it. `within` is the run folder of
    `path`, which is not created again if it is gone (`places.guard`).

    Raises: ResourceError that names the path, for a full disk or a missing permission; errors of `places.guard`.
    """

    def work() -> None:
        run = _make_way(path, within)
        with anchored(path.parent, run) as place:
            _replace(place / path.name, write)

    with _explained(path, within):
        patiently(work)
    return path


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    handle, name = tempfile.mkstemp(prefix=PART, suffix=path.suffix, dir=path.parent)
    part = Path(name)
    handle = held(handle)
    try:
        write(part)
        part.chmod(0o666 & ~_umask())
        _flush(part)
        os.replace(part, path)
    finally:
        if handle is not None:
            os.close(handle)
        remove(part)


def write_text(path: Path, text: str, *, within: Path | None = None) -> Path:
    """Writes text as UTF-8, atomically."""
    return write_atomic(path, lambda part: part.write_text(text, encoding="utf-8"), within=within)


def write_json(path: Path, value: Any, *, within: Path | None = None) -> Path:
    """Writes JSON, atomically. NaN and infinity become null, because JSON does not have them."""
    return write_text(path, json_text(value), within=within)


def json_text(value: Any) -> str:
    """The text that `write_json` writes."""
    return json.dumps(finite_or_null(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def finite_or_null(value: Any) -> Any:
    """The value with None for NaN and infinity, at any depth."""
    if isinstance(value, dict):
        return {str(k): finite_or_null(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_null(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_folder(folder: Path, files: Mapping[str, Callable[[Path], Any]], *, within: Path | None = None) -> Path:
    """Writes all files and their manifest into a new folder, which then replaces the old one by a rename.

    The old folder is kept until the new one is complete. `within` and errors as for `write_atomic`; also ModelFileError
    if the old one is not a folder, or was made by a newer version of isthmus.
    """

    def work() -> None:
        run = _make_way(folder, within)
        refuse_other_kinds(folder)
        refuse_newer_folder(folder)
        with anchored(folder.parent, run) as place:
            _replace_folder(place / folder.name, files)

    with _explained(folder, within):
        patiently(work)
    return folder


def _replace_folder(folder: Path, files: Mapping[str, Callable[[Path], Any]]) -> None:
    part = Path(tempfile.mkdtemp(prefix=PART, dir=folder.parent))
    try:
        with in_use(part):
            _fill(part, files)
            swap(part, folder)
    finally:
        remove(part)


def _fill(part: Path, files: Mapping[str, Callable[[Path], Any]]) -> None:
    part.chmod(0o777 & ~_umask())
    for name, write in files.items():
        write(part / name)
        (part / name).chmod(0o666 & ~_umask())
        _flush(part / name)
    manifest = {"format": FORMAT, "isthmus": __version__, "files": {n: fingerprint(part / n) for n in files}}
    (part / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    _flush(part / MANIFEST)


@contextmanager
def _explained(path: Path, within: Path | None) -> Iterator[None]:
    """Turns errors of the operating system into ours: the run folder is gone, or `path` cannot be written."""
    try:
        yield
    except OSError as error:
        guard(path, within)
        raise resource_error(path, error) from None


def _make_way(path: Path, within: Path | None) -> Path | None:
    """Creates the parent folders of `path`, but never its run folder, which is returned."""
    run = guard(path, within)
    if run is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    for parent in [p for p in reversed(path.parents) if run is not None and p != run and p.is_relative_to(run)]:
        parent.mkdir(exist_ok=True)
    return run


def verify_folder(folder: Path, kind: str = "model or checkpoint", fix: str | None = None) -> dict[str, Any]:
    """Checks the size and SHA-256 of every file in a folder, and returns its manifest.

    `kind` and `fix` are parts of the error: what the folder should be, and what to do (default: `remedy`).

    Raises: ModelFileError for the first file that is missing, truncated, changed or not listed; or for a newer format.
    """
    what = f"{folder} is not a complete {kind}"
    fix = fix or remedy(folder)
    try:
        manifest = regular.read_json(folder / MANIFEST)
        refuse_newer(folder, int(manifest["format"]), manifest)
        files = dict(manifest["files"])
    except FileNotFoundError:
        raise ModelFileError("MODEL-MANIFEST", f"{what}: {MANIFEST} is missing.", fix=fix) from None
    except OSError as error:
        message = f"{what}: {MANIFEST} cannot be read: {regular.reason(error)}."
        raise ModelFileError("MODEL-MANIFEST", message, fix=_rights(error) or fix) from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ModelFileError("MODEL-MANIFEST", f"{what}: {MANIFEST} cannot be read.", fix=fix) from None
    for path in folder.iterdir():
        if path.suffix in STATED and path.name not in (*files, MANIFEST):
            raise ModelFileError("MODEL-FILE", f"{what}: {MANIFEST} does not list {path.name!r}.", fix=fix)
    for name, stated in files.items():
        if Path(name).name != name or not os.path.lexists(folder / name):
            raise ModelFileError("MODEL-FILE", f"{what}: {name!r} is missing.", fix=fix)
        try:
            found = _found(folder / name, stated)
        except OSError as error:
            message = f"{folder / name} cannot be read: {regular.reason(error)}."
            raise ModelFileError("MODEL-FILE", message, fix=_rights(error) or fix) from None
        if found != stated:
            message = f"{folder / name} is damaged: its {found['bytes']:,} bytes do not match {MANIFEST}."
            raise ModelFileError("MODEL-FILE", message, fix=fix)
    return manifest


def _rights(error: OSError) -> str | None:
    """The fix for a file that may be intact, but that we are not permitted to read."""
    return "give yourself permission to read it" if isinstance(error, PermissionError) else None


def _found(path: Path, stated: Any) -> dict[str, Any]:
    """Size and checksum; if the size differs from the manifest, only the size, because the file may be huge."""
    n_bytes = path.lstat().st_size
    differs = not isinstance(stated, dict) or stated.get("bytes") != n_bytes
    return {"bytes": n_bytes} if differs and regular.is_file(path) else fingerprint(path)


def stated(folder: Path, name: str) -> str | None:
    """The SHA-256 of a file in the manifest of its folder; None if there is none."""
    try:
        manifest = regular.read_json(standing(folder) / MANIFEST)
        return manifest["files"][name]["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def steadily(folder: Path, read: Callable[[Path], T]) -> T:
    """Calls `read(folder)`, again if the folder was moved or replaced meanwhile, so that old and new do not mix."""
    for _ in range(REPLACED_MOST):
        before = _seen(folder)
        try:
            found = read(standing(folder))
        except (ModelFileError, OSError):
            if _seen(folder) == before:
                raise
        else:
            if _seen(folder)[1] == before[1]:
                return found
    return read(standing(folder))


def _seen(folder: Path) -> tuple[Path, bytes | None]:
    """The current path of the folder, and its manifest: between two renames, the old folder has another name."""
    place = standing(folder)
    try:
        return place, regular.read_bytes(place / MANIFEST)
    except OSError:
        return place, None


def refuse_newer(path: Path, version: int, manifest: Any) -> None:
    """Raises: ModelFileError if only a newer version of isthmus knows the format `version`; `manifest["isthmus"]`, if
    it exists, is the version that wrote it."""
    if version > FORMAT:
        stated = manifest.get("isthmus") if isinstance(manifest, Mapping) else None
        newer = "a newer version of isthmus"
        made_by = f"{newer} ({shortened(stated)})" if isinstance(stated, str) else newer
        message = f"{path} was written by {made_by}, in format {version}; version {__version__} reads up to {FORMAT}."
        raise ModelFileError("MODEL-VERSION", message, fix="install a newer version of isthmus")


def refuse_newer_folders(run: Path) -> None:
    """Like `refuse_newer`, for everything that a training replaces in a run folder."""
    for manifest in sorted(run.rglob(MANIFEST)):  # rglob does not follow links
        refuse_newer_folder(manifest.parent)


def refuse_newer_folder(folder: Path) -> None:
    """Like `refuse_newer`, before a folder is replaced."""
    with suppress(OSError, ValueError, KeyError, TypeError, OverflowError):  # no folder, or no valid manifest
        manifest = dict(regular.read_json(folder / MANIFEST))
        refuse_newer(folder, int(manifest["format"]), manifest)


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file. Raises: OSError, also if it is not a file."""
    with regular.opened(path) as file:
        return {"bytes": os.fstat(file.fileno()).st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def resource_error(path: Path, error: OSError) -> ResourceError:
    """The error of the operating system, with the path and a fix."""
    reason = error.strerror or str(error)
    fix = FIXES.get(error.errno or 0, "give yourself permission to write there, or choose another folder")
    if error.errno in FULL:
        fix = f"free disk space{_room(path)}, or write elsewhere"
    return ResourceError("RESOURCE-DISK", f"{shortened(path)} cannot be written: {reason}.", fix=fix)


def _room(path: Path) -> str:
    try:
        free = shutil.disk_usage(next(p for p in (path, *path.parents) if os.path.exists(p))).free
    except (OSError, StopIteration):
        return ""
    return f" ({free / 1e6:,.0f} MB are free)"


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

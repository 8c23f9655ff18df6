"""Reads a data set by name: found in the data folders, or downloaded to the cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.arrays.idx import read_idx_array
from isthmus.data.named.catalog import NAMED_SETS, SHIPPED, NamedSet, Remote
from isthmus.data.named.download import fetch
from isthmus.data.named.unpack import extract
from isthmus.data.samples import Bundle, Samples
from isthmus.data.tables.reading import read_table
from isthmus.errors import DataError, UsageError
from isthmus.system.memory import size_of
from isthmus.system.workers import Progress


def read_named(name: str, options: DataConfig, progress: Progress | None = None) -> Bundle:
    """A data set of the catalog, with its test part; `mnist-2k` has none. `progress` counts the bytes of a download.

    Raises: DataError if it is not on this machine and cannot be downloaded, saying which files to put where.
    """
    if name == SHIPPED:
        return Bundle(_shipped(options))
    known = NAMED_SETS[name]
    folder, notes = find(known, options), ()
    if folder is None:
        folder, notes = _fetched(known, options, progress)
    train = _part(known, folder, known.files[:2], options)
    test = _part(known, folder, known.files[2:], options)
    return Bundle(replace(train, notes=notes + train.notes), test)


def find(known: NamedSet, options: DataConfig) -> Path | None:
    """The first folder that holds all four files, compressed or not.

    Files in the cache with a wrong size do not count: they are downloaded again.
    """
    cached = cache_folder() / known.cache_name
    for folder in _candidates(known, data_folders(options)):
        if all(_present(folder, name) for name in known.files):
            if folder == cached and any(_is_cut(folder / remote.name, remote) for remote in known.remotes):
                continue
            return folder
    return None


def _candidates(known: NamedSet, roots: Sequence[Path]) -> list[Path]:
    found = []
    for root in roots:
        found += [root / below for below in known.folders]
        # EMNIST's file names identify the data set; for the others, the folder's name must do so
        if known.archive is not None or root.name in {below.split("/")[0] for below in known.folders}:
            found += [root, root / "raw", root / "gzip"]
    return found


def _present(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if os.path.isfile(path)), None)


def _part(known: NamedSet, folder: Path, names: Sequence[str], options: DataConfig) -> Samples:
    """Images and labels of one part; images upright, labels as indices into `known.classes`."""
    paths = [_present(folder, name) for name in names]
    assert paths[0] is not None
    assert paths[1] is not None
    images, notes = read_idx_array(paths[0], allow_trailing=options.allow_trailing)
    labels, more = read_idx_array(paths[1], labels=True, allow_trailing=options.allow_trailing)
    if len(images) != len(labels):
        message = f"{paths[0]} holds {len(images):,} images, but {paths[1].name} holds {len(labels):,} labels."
        raise DataError("DATA-COUNT", message, fix="use files from the same download")
    labels = labels.astype(np.int64) - known.first_label
    if labels.min() < 0 or labels.max() >= len(known.classes):
        low, high = labels.min() + known.first_label, labels.max() + known.first_label
        last = len(known.classes) - 1 + known.first_label
        message = f"{paths[1]} has labels from {low} to {high}, but {known.name} has {known.first_label} to {last}."
        raise DataError("DATA-LABEL", message, fix="use the files of this data set")
    x = images.swapaxes(1, 2) if known.transposed else images
    return Samples(
        x=np.ascontiguousarray(x)[:, None] if known.transposed else x[:, None],
        name=known.name,
        labels=labels,
        classes=known.classes,
        notes=notes + more,
    )


def _fetched(known: NamedSet, options: DataConfig, progress: Progress | None) -> tuple[Path, tuple[str, ...]]:
    """The folder in the cache with the downloaded files, and notes."""
    folder = cache_folder() / known.cache_name
    try:
        if known.archive is not None:
            return folder, _from_archive(known, known.archive, folder, options, progress)
        for remote in known.remotes:
            if _is_cut(folder / remote.name, remote):
                (folder / remote.name).unlink()
            fetch(remote.urls, folder / remote.name, sha256=remote.sha256, size=remote.size, progress=progress)
    except DataError as error:
        if error.code != "DATA-DOWNLOAD":
            raise
        raise _offline(known, options, error) from None
    n_bytes = sum(remote.size for remote in known.remotes)
    return folder, (f"{known.name} was downloaded to {folder} ({size_of(n_bytes)}).",)


def _from_archive(
    known: NamedSet, archive: Remote, folder: Path, options: DataConfig, progress: Progress | None
) -> tuple[str, ...]:
    """Unpacks the four files from the archive, which is downloaded unless it is in a data folder."""
    local = [below / archive.name for below in _candidates(known, data_folders(options))]
    path = next((path for path in local if path.is_file()), None)
    notes = ()
    if path is None:
        path = fetch(archive.urls, folder / archive.name, sha256=archive.sha256, size=archive.size, progress=progress)
        notes = (f"{path} ({size_of(archive.size)}) was downloaded and is kept for the other data sets in it.",)
    extract(path, {f"{known.inside}{name}.gz": folder / f"{name}.gz" for name in known.files})
    return notes


def _is_cut(path: Path, remote: Remote) -> bool:
    return path.is_file() and path.stat().st_size != remote.size


def _offline(known: NamedSet, options: DataConfig, error: DataError) -> DataError:
    roots = [*data_folders(options), cache_folder()]
    looked = ", ".join(dict.fromkeys(str(root) for root in roots))
    message = f"{known.name} is not on this machine (looked in {looked}) and could not be downloaded."
    target = (roots[0] if options.data_dir or len(roots) > 1 else cache_folder()) / known.folders[0]
    wanted = known.archive.name if known.archive else ", ".join(remote.name for remote in known.remotes)
    fix = f"put {wanted} into {target}, or set --data-dir or ISTHMUS_DATA to the folder that holds {known.folders[0]}/"
    return DataError("DATA-DOWNLOAD", message, fix=fix, problems=error.problems)


def _shipped(options: DataConfig) -> Samples:
    """The table in the package, read with its known settings, not with options for other tables."""
    known = DataConfig(label="label", shape=options.shape or "28x28", scale=options.scale)
    with as_file(files("isthmus.data") / f"{SHIPPED}.csv.gz") as path:
        return replace(read_table(path, known), name=SHIPPED)


def cache_folder() -> Path:
    """`$ISTHMUS_CACHE`, otherwise the system's cache folder."""
    named = os.environ.get("ISTHMUS_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "isthmus" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "isthmus"
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if os.path.isabs(named) else Path.home() / ".cache") / "isthmus"  # the standard: absolute only


def data_folders(options: DataConfig) -> list[Path]:
    """The existing folders in which a named data set is searched, starting with `--data-dir`.

    Raises: UsageError if `--data-dir` does not exist.
    """
    folders = []
    if options.data_dir is not None:
        folder = Path(options.data_dir).expanduser()
        if not folder.is_dir():
            raise UsageError("USAGE-FOLDER", f"--data-dir: there is no folder {folder}.", fix="check the path")
        folders.append(folder)
    if os.environ.get("ISTHMUS_DATA"):
        folders.append(Path(os.environ["ISTHMUS_DATA"]).expanduser())
    return [folder for folder in dict.fromkeys([*folders, cache_folder()]) if folder.is_dir()]

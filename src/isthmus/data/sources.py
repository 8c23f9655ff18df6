"""Finds out what a name or a path refers to, and which reader to use."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from isthmus.config import DataConfig
from isthmus.data.arrays import array_files, idx
from isthmus.data.images.image_folder import read_images
from isthmus.data.images.listing import is_left_by_system
from isthmus.data.images.pair_folders import note_on_pairs
from isthmus.data.images.pixels import SUFFIXES
from isthmus.data.images.whole_folder import read_whole
from isthmus.data.inputs import missing
from isthmus.data.kinds import BY_SUFFIX, kind_of_file, suffix_note
from isthmus.data.labels import same_classes
from isthmus.data.named.catalog import NAMES, name_of
from isthmus.data.named.hub import is_hub, read_hub
from isthmus.data.named.locating import read_named
from isthmus.data.samples import Bundle, Samples
from isthmus.data.schema import Expected
from isthmus.data.shard_sets import matching, name_of_pattern, read_shards, shards_in
from isthmus.data.tables import reading
from isthmus.errors import DataError, ResourceError, UsageError
from isthmus.system.passing_errors import patiently
from isthmus.system.workers import Progress
from isthmus.wording import printable, shell_word

TRAIN_NAMES, TEST_NAMES = ("train", "training"), ("test", "testing")
LONGEST_REPEATED = 200  # characters of an unknown name that are shown in the message
VALIDATION_NAMES = ("val", "valid", "validation")


def read_source(
    source: str | os.PathLike[str],
    options: DataConfig,
    progress: Progress | None = None,
    expected: Expected | None = None,
) -> Bundle:
    """The data of a name or a path, as stored; an existing path is preferred to a name.

    Raises: DataError with the most similar known name if nothing is found; other errors from the reader.
    """
    text = os.fspath(source)
    if not text.strip():
        raise UsageError("USAGE-SOURCE", "no data is named.", fix=f"pass a path, or one of: {', '.join(NAMES)}")
    path = Path(text).expanduser()
    if _exists(path):
        return _read_path(source, path, options, progress, expected)
    if is_hub(text):
        return read_hub(text, options, expected)
    if glob.has_magic(text) and "://" not in text:
        pattern = os.fspath(path)
        return Bundle(read_shards(Path(name_of_pattern(pattern)), matching(pattern), options, progress, expected))
    name = name_of(text)
    if name is None:
        raise _unknown(text, path)
    return read_named(name, options, progress)


def _read_path(
    source: str | os.PathLike[str],
    path: Path,
    options: DataConfig,
    progress: Progress | None,
    expected: Expected | None,
) -> Bundle:
    read = _read_folder if path.is_dir() else _read_patiently
    bundle = read(path, options, progress, expected)
    text = os.fspath(source)
    if isinstance(source, Path) or text.endswith(os.sep) or name_of(text) is None:  # cannot be meant as a name
        return bundle
    note = f"{text} is a path here; the data set of that name is not used."
    return replace(bundle, train=replace(bundle.train, notes=(note, *bundle.train.notes)))


def _exists(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except (OSError, ValueError) as error:  # a name that is too long, NUL, or a folder without permission
        if isinstance(error, PermissionError):
            message = f"{printable(path)} cannot be read: permission denied."
            raise ResourceError("RESOURCE-PERMISSION", message, fix="give yourself read permission") from None
        return False


def _read_patiently(path: Path, options: DataConfig, progress: Progress | None, expected: Expected | None) -> Bundle:
    """Reads a file, and tries again if a network disk fails temporarily."""
    return patiently(lambda: _read_file(path, options, progress, expected))


def _read_file(path: Path, options: DataConfig, progress: Progress | None, expected: Expected | None) -> Bundle:
    kind = kind_of_file(path)
    match kind:
        case "idx":
            bundle = Bundle(idx.read_idx(path, options))
        case "npy":
            bundle = Bundle(array_files.read_npy(path, options, expected=expected))
        case "npz":
            bundle = array_files.read_npz(path, options, expected=expected)
        case "image":
            bundle = Bundle(_read_images(path, options, progress))
        case _:
            bundle = Bundle(reading.read_table(path, options, expected=expected))
    notes = suffix_note(path, kind)
    return replace(bundle, train=replace(bundle.train, notes=(*notes, *bundle.train.notes))) if notes else bundle


def _read_images(path: Path, options: DataConfig, progress: Progress | None) -> Samples:
    return (read_whole if options.whole else read_images)(path, options, progress)


def _read_folder(
    path: Path, options: DataConfig, progress: Progress | None, expected: Expected | None = None
) -> Bundle:
    try:
        entries = [entry for entry in sorted(path.iterdir()) if not is_left_by_system(entry.name)]
    except OSError as error:
        message = f"the folder {printable(path)} cannot be read: {error.strerror}."
        raise ResourceError("RESOURCE-PERMISSION", message, fix="check the path and its permissions") from None
    if any("idx" in entry.name or entry.name == "raw" for entry in entries):
        for folder in (path, path / "raw"):  # torchvision keeps the files in MNIST/raw
            if folder.is_dir() and idx.image_files(folder):
                return idx.read_idx_folder(folder, options)
    if shards := shards_in(entries):
        return Bundle(read_shards(path, shards, options, progress, expected))
    _refuse_tables_only(path, entries)
    parts = {entry.name.casefold(): entry for entry in entries if entry.is_dir()}
    train = next((parts[name] for name in TRAIN_NAMES if name in parts), None)
    test = next((parts[name] for name in TEST_NAMES if name in parts), None)
    if train is None or test is None or len(parts) > 2 + any(name in parts for name in VALIDATION_NAMES):
        found = _read_images(path, options, progress)
        return Bundle(replace(found, notes=(*note_on_pairs(path, found.classes), *found.notes)))
    return _in_parts(path, train, test, parts, options, progress)


def _in_parts(
    path: Path, train: Path, test: Path, parts: dict[str, Path], options: DataConfig, progress: Progress | None
) -> Bundle:
    """Reads the sub-folders train and test, each flat or with one sub-folder per class."""
    found = [replace(_read_images(part, options, progress), name=f"{path.name}/{part.name}") for part in (train, test)]
    first, second = same_classes(found[0], found[1])
    notes = [f"The sub-folders {train.name} and {test.name} are used as training and test data."]
    unused = next((parts[name] for name in VALIDATION_NAMES if name in parts), None)
    if unused is not None:
        notes.append(f"The sub-folder {unused.name} is not read; pass --validation {printable(unused)} to use it.")
    return Bundle(replace(first, notes=(*notes, *first.notes)), second)


def _refuse_tables_only(path: Path, entries: Sequence[Path]) -> None:
    """Raises: DataError for a folder of tables or arrays that are not shards; the user must choose one."""
    kinds = [BY_SUFFIX.get(entry.suffix.lower()) for entry in entries if entry.is_file()]
    if any(entry.is_dir() for entry in entries) or not any(kinds) or "image" in kinds:
        return
    named = [entry for entry in entries if entry.suffix.lower() in set(BY_SUFFIX) - SUFFIXES]
    message = f"{printable(path)} holds no images, but {len(named):,} tables or arrays whose names differ in more "
    message += "than their numbers, so they are not read as one set."
    if len(named) == 1:
        message = f"{printable(path)} holds no images, only a single table or array."
    names = [printable(entry.name) for entry in named]
    fix = f"pass {'it' if len(named) == 1 else 'one'}: {printable(named[0])}"
    if sum(entry.suffix == named[0].suffix for entry in named) > 1:
        fix += f", or all as one set: {shell_word(path / f'*{named[0].suffix}')}"
    raise DataError("DATA-EMPTY", message, fix=fix, problems=names)


def _unknown(text: str, path: Path) -> DataError:
    """The error for text that is neither a path nor a name, with the most similar of both."""
    if text.startswith(("http://", "https://", "s3://", "gs://", "hf://")):
        message = f"{printable(text)} is a URL; isthmus reads only local files."
        return DataError("DATA-SOURCE", message, fix="download it first and pass the file")
    near = get_close_matches(text.lower().replace("_", "-"), NAMES, n=1, cutoff=0.6)
    group = [name for name in NAMES if name.startswith(f"{text.lower()}/")]
    near = group[:1] or near
    if path.suffix or (os.sep in text.rstrip(os.sep) and not near):
        return missing(path)
    known = ", ".join(NAMES)
    guess = f"did you mean {near[0]!r}? Otherwise, name" if near else "name"
    repeated = text if len(text) < LONGEST_REPEATED else f"{text[:LONGEST_REPEATED]}…"
    where = printable(Path(repeated).expanduser().absolute())
    message = f"there is no file or folder {where}, and no data set is called {printable(repeated)!r}."
    return DataError("DATA-SOURCE", message, fix=f"{guess} a file, a folder or a data set: {known}")

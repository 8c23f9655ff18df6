"""Joins noisy and clean samples into one set of pairs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from isthmus.data.hashing import numbers_of
from isthmus.data.images.pixels import FULL
from isthmus.data.images.reading_fix import fix_for_both
from isthmus.data.pairs.matching import match_names
from isthmus.data.samples import Samples
from isthmus.data.whole_images import WholeImages
from isthmus.data.whole_samples import piece_name
from isthmus.errors import DataError
from isthmus.wording import counted, printable

CORNER = re.compile(r"_\d+_\d+(?=(\.[^.#]*)?(#.*)?$)")  # what `piece_name` adds to the name of a piece
SETS = 3  # training, validation and test, each with scenes of its own


class Files(NamedTuple):
    """The files of a set: `names`, and the `rows` of each file with the `corners` where they were cut out."""

    names: tuple[str, ...]
    rows: tuple[np.ndarray, ...]
    corners: tuple[tuple[str, ...], ...]


class PairedRows(NamedTuple):
    """The matched rows, noisy (N,) and clean (N,), and the problems of noisy files without a match."""

    noisy: np.ndarray
    clean: np.ndarray
    problems: tuple[str, ...]


def paired(noisy: Samples, clean: Samples, *, lenient: bool = False) -> Samples:
    """Pairs with x from the clean samples and x_in and names from the noisy ones. Files are matched by name, see
    `match_names`; arrays, tables and the frames of two single files are matched by position.

    Pairs with the same clean sample, or with equal ones, form a group and stay in the same set. `lenient` leaves out
    noisy files without exactly one clean file of their size, and lists them as `skipped`.

    Raises: DataError that lists all such files; DataError for different numbers of samples, channels or columns.
    """
    clean = _same_columns(noisy, clean)
    if noisy.whole is not None and clean.whole is not None:
        return _of_whole(noisy, clean, noisy.whole, clean.whole, lenient)
    if noisy.shape != clean.shape:
        raise _other_shape(noisy, clean)
    rows = _by_name(noisy, clean) if have_names(noisy, clean) else _by_position(noisy, clean)
    _settle(noisy, clean, rows, lenient)
    x, x_in = _one_type(clean.x, noisy.x)
    taken, of_clean = replace(noisy, x_in=x_in).take(rows.noisy), clean.take(rows.clean)
    labels = {} if noisy.labels is not None else {"labels": of_clean.labels, "classes": clean.classes}
    scenes = taken.groups if noisy.group_column is not None else _scenes(of_clean)
    said = _said(noisy, clean, rows, scenes)
    ids = taken.ids if noisy.ids is not None else None
    return replace(taken, x=x[rows.clean], ids=ids, groups=scenes, **labels, **said)


def _same_columns(noisy: Samples, clean: Samples) -> Samples:
    """The clean rows with their columns in the order of the noisy ones. Raises: DataError for other columns."""
    if noisy.columns is None or clean.columns is None or noisy.columns == clean.columns:
        return clean
    problems = [f'"{printable(name)}": only in {clean.name}' for name in clean.columns if name not in noisy.columns]
    problems += [f'"{printable(name)}": only in {noisy.name}' for name in noisy.columns if name not in clean.columns]
    if problems:
        message = f"{noisy.name} and {clean.name} have different columns, so their rows are not pairs."
        fix = "use --drop-column to leave out the columns that only one of them has"
        raise DataError("DATA-PAIRS", message, fix=fix, problems=problems)
    order = [clean.columns.index(name) for name in noisy.columns]
    return clean if clean.is_image else replace(clean.changed(lambda x: x[:, order]), columns=noisy.columns)


def _other_shape(noisy: Samples, clean: Samples) -> DataError:
    shapes = " and ".join(f"{each.name} holds samples of {' x '.join(map(str, each.shape))}" for each in (noisy, clean))
    fix = "pass data with the same columns"
    if noisy.is_image and clean.is_image:
        fix = fix_for_both(noisy.shape, clean.shape) or "pass images with the same channels"
    return DataError("DATA-PAIRS", f"{shapes}, so they are not pairs.", fix=fix)


def have_names(noisy: Samples, clean: Samples) -> bool:
    """Whether both have names to match by: two single files are a pair, whatever their names."""
    if noisy.ids is None or clean.ids is None:
        return False
    return not all(len({_file_of(name) for name in each.ids or ()}) == 1 for each in (noisy, clean))


def _file_of(name: str) -> str:
    """`"a_64_0.png#2"` -> `"a.png"`."""
    return CORNER.sub("", name).partition("#")[0]


def _by_position(noisy: Samples, clean: Samples) -> PairedRows:
    if len(noisy) != len(clean):
        message = f"{noisy.name} holds {counted(len(noisy), 'sample')} and {clean.name} {counted(len(clean), 'sample')}"
        message += ", but without file names they are matched by position."
        raise DataError("DATA-PAIRS", message, fix="pass a target with one sample for each, in the same order")
    return PairedRows(np.arange(len(noisy)), np.arange(len(noisy)), ())


def _by_name(noisy: Samples, clean: Samples) -> PairedRows:
    """The rows of files that match, piece by piece if files were cut."""
    here, there = _files(noisy), _files(clean)
    found = match_names(here.names, there.names)
    problems = list(found.problems)
    rows = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for k, other in enumerate(found.rows):
        if other is None:
            continue
        if here.corners[k] != there.corners[other]:
            problems.append(
                f"{printable(here.names[k])}: cut into different pieces than {printable(there.names[other])}"
            )
        else:
            rows.append((here.rows[k], there.rows[other]))
    noisy_rows, clean_rows = (np.concatenate(side) for side in zip(*rows, strict=True))
    return PairedRows(noisy_rows, clean_rows, tuple(problems))


def _files(samples: Samples) -> Files:
    """One row per file, or its pieces if files were cut into pieces."""
    names = [samples.id_of(row) for row in range(len(samples))]
    if samples.groups is None or not samples.cut.startswith("--patches"):
        return Files(tuple(names), tuple(np.arange(len(names))[:, None]), ((),) * len(names))
    whole = [CORNER.sub("", name) for name in names]
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(whole):
        rows.setdefault(name, []).append(row)
    corners = tuple(tuple(_corner(names[row]) for row in found) for found in rows.values())
    return Files(tuple(rows), tuple(np.array(found) for found in rows.values()), corners)


def _corner(name: str) -> str:
    found = CORNER.search(name)
    return found[0] if found else ""


def _settle(noisy: Samples, clean: Samples, rows: PairedRows, lenient: bool) -> None:
    """Raises: DataError if noisy files do not have exactly one clean file, unless they may be left out."""
    n_files = len(noisy.whole) if noisy.whole is not None else len(_files(noisy).names) if noisy.ids else len(noisy)
    n_bad = len(rows.problems)
    if not n_bad or (lenient and n_bad < n_files):
        return
    message = f"{clean.name} does not have exactly one clean image of the same size for {n_bad:,} of "
    message += f"{counted(n_files, 'noisy image')} in {noisy.name}."
    left = counted(n_files - n_bad, "pair")
    fix = f"pass --skip-bad-files to leave these out ({left} would be left)"
    if n_bad == n_files:
        fix = "pass as --target a folder whose files have these names, or these names up to the last _"
    raise DataError("DATA-PAIRS", message, fix=fix, problems=rows.problems)


def _one_type(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in the wider of their types; images are scaled like files of different bit depths in one folder."""
    if a.dtype == b.dtype:
        return a, b
    if a.ndim != 4:
        return a.astype(wider := np.promote_types(a.dtype, b.dtype)), b.astype(wider)
    wide = max(str(a.dtype), str(b.dtype), key=("uint8", "uint16", "float32").index)
    return _as_type(a, wide), _as_type(b, wide)


def _as_type(x: np.ndarray, dtype: str) -> np.ndarray:
    if str(x.dtype) == dtype:
        return x
    if dtype == "float32":
        return x.astype(np.float32) / np.float32(FULL[str(x.dtype)])
    return x.astype(dtype) * np.array(FULL[dtype] // FULL[str(x.dtype)], dtype)


def _scenes(clean: Samples) -> np.ndarray | None:
    """Group numbers (N,), equal for pairs with the same or an equal clean sample; None if each pair has its own."""
    if clean.groups is not None and clean.cut.startswith("--patches"):
        return clean.groups
    found = np.unique(numbers_of(clean.x), return_inverse=True)[1] if len(clean) else np.zeros(0, np.int64)
    return None if len(np.unique(found)) == len(found) else found.astype(np.int64)


def _of_whole(noisy: Samples, clean: Samples, a: WholeImages, b: WholeImages, lenient: bool) -> Samples:
    """Pairs of images of different sizes: joined plane by plane, and cut into pieces together."""
    if a.channels != b.channels:
        raise _other_shape(noisy, clean)
    rows = _whole_rows(a, b)
    _settle(noisy, clean, rows, lenient)
    joined = _joined(a, b, rows)
    x, image, corners = joined.pieces()
    C = a.channels
    scenes = _same_images(b, rows.clean)
    known, first = np.unique(noisy.owner if noisy.owner is not None else np.zeros(0), return_index=True)
    place = {int(owner): int(row) for owner, row in zip(known, first, strict=True)}
    labels = None if noisy.labels is None else np.array([noisy.labels[place[int(i)]] for i in rows.noisy[image]])
    return replace(
        noisy,
        x=np.ascontiguousarray(x[:, :C]),
        x_in=np.ascontiguousarray(x[:, C:]),
        labels=labels,
        ids=tuple(piece_name(joined.names[i], corner) for i, corner in zip(image.tolist(), corners, strict=True)),
        groups=scenes[image],
        owner=image,
        whole=joined,
        **_said(noisy, clean, rows, scenes),
    )


def _whole_rows(a: WholeImages, b: WholeImages) -> PairedRows:
    found = None if _are_one_file_each(a, b) else match_names(a.names, b.names)
    matched = range(len(a)) if found is None else found.rows
    problems = [] if found is None else list(found.problems)
    good = []
    for i, j in enumerate(matched):
        if j is not None and (a.sizes[i] == b.sizes[j]).all():
            good.append((i, j))
        elif j is not None:
            sizes = [f"{w} x {h}" for h, w in (a.sizes[i], b.sizes[j])]
            problems.append(f"{printable(a.names[i])}: {sizes[0]} pixels, but {printable(b.names[j])}: {sizes[1]}")
    chosen = np.array(good, np.int64).reshape(-1, 2)
    return PairedRows(chosen[:, 0], chosen[:, 1], tuple(problems))


def _are_one_file_each(a: WholeImages, b: WholeImages) -> bool:
    """Whether both are single files, which are paired page by page, whatever their names.

    Raises: DataError for different numbers of pages.
    """
    names = [{name.partition("#")[0] for name in each.names} for each in (a, b)]
    if any(len(files) > 1 for files in names):
        return False
    if len(a) != len(b):
        held = (f"{printable(min(files))} holds {len(of):,}" for files, of in zip(names, (a, b), strict=True))
        message = f"{' and '.join(held)} pages, but pages of two files are matched by position."
        raise DataError("DATA-PAIRS", message, fix="pass a target with one page for each, in the same order")
    return True


def _joined(a: WholeImages, b: WholeImages, rows: PairedRows) -> WholeImages:
    """The planes of each pair, clean before noisy, under the name of the noisy image."""
    noisy, clean = _one_type_whole(a, b)
    sizes = [(int(h), int(w)) for h, w in a.sizes[rows.noisy]]
    names = [a.names[i] for i in rows.noisy]
    joined = WholeImages.empty(sizes, 2 * a.channels, str(noisy.values.dtype), names)
    for k, (i, j) in enumerate(zip(rows.noisy, rows.clean, strict=True)):
        image = joined.image(k)
        image[: a.channels], image[a.channels :] = clean.image(int(j)), noisy.image(int(i))
    return joined


def _one_type_whole(a: WholeImages, b: WholeImages) -> tuple[WholeImages, WholeImages]:
    wide = max((str(each.values.dtype) for each in (a, b)), key=("uint8", "uint16", "float32").index)
    both = (replace(each, values=_as_type(each.values, wide)) for each in (a, b))
    return next(both), next(both)


def _same_images(whole: WholeImages, chosen: np.ndarray) -> np.ndarray:
    """Group numbers (n,) of the chosen images, equal for equal images: one scene often has several names."""
    images = [np.ascontiguousarray(whole.image(int(j))) for j in chosen]
    content = [(image.shape, hashlib.sha256(image.data).digest()) for image in images]
    first = {key: k for k, key in reversed(list(enumerate(content)))}
    return np.array([first[key] for key in content], np.int64)


def _said(noisy: Samples, clean: Samples, rows: PairedRows, scenes: np.ndarray | None) -> dict[str, Sequence[str]]:
    """The notes and the list of files that were left out."""
    whole = None if noisy.whole is None or clean.whole is None else not _are_one_file_each(noisy.whole, clean.whole)
    how = "name" if (have_names(noisy, clean) if whole is None else whole) else "position"
    n, n_scenes = len(rows.noisy), len(rows.noisy) if scenes is None else len(np.unique(scenes))
    notes = [f"{counted(n, 'pair')} of {noisy.name} and {clean.name}, matched by {how}."]
    if n_scenes < n:
        notes.append(f"They share {counted(n_scenes, 'clean sample')}; pairs with the same one stay in the same set.")
    if n_scenes < SETS:
        notes.append(f"With {counted(n_scenes, 'scene')}, the test is not independent: training uses its scene too.")
    if rows.problems:
        notes.append(f"{counted(len(rows.problems), 'noisy image')} without exactly one clean image left out.")
    unused = (len(clean.whole) if clean.whole is not None else len(clean)) - len(np.unique(rows.clean))
    notes += [f"{counted(unused, 'clean sample')} of {clean.name} without a noisy one not used."] if unused else []
    old = (*noisy.notes, *(note for note in clean.notes if note not in noisy.notes))
    return {"notes": (*old, *notes), "skipped": (*noisy.skipped, *clean.skipped, *rows.problems)}


__all__ = ["have_names", "paired"]

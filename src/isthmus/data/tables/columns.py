"""Selects the columns of a table by name: features, label and group, and matches them with a trained model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from isthmus.config import DataConfig
from isthmus.data.tables.writing import without_apostrophes
from isthmus.errors import DataError
from isthmus.wording import counted, listed, printable, shell_word

OTHER_TABLE = "use a table with the columns of the training data"
LABEL_NAMES = ("label", "class", "target", "y")  # in this order, ignoring case


class Plan(NamedTuple):
    """Indices of the feature columns, in the requested order, and of the label and group columns; `guessed` if the
    label was not named by an option.
    """

    features: tuple[int, ...]
    label: int | None
    guessed: bool
    notes: tuple[str, ...] = ()
    group: int | None = None


def plan_columns(
    names: Sequence[str],
    options: DataConfig,
    *,
    name: str,
    expected: Sequence[str] | None = None,
    guess_label: bool = True,
    by_place: bool = False,
    texts: Sequence[str] = (),
) -> Plan:
    """Decides which columns to read, and how.

    `expected` are the columns of a trained model. `by_place` says that the table has no header, so that the columns
    are taken by position if their number fits. `texts` are text columns; an error about an unknown label lists them
    first, because labels are usually text.

    Raises: DataError for duplicate or empty names, unknown names in options, or names other than a model expects.
    """
    beside = [column for column in (options.label, options.group) if column is not None]
    names = as_asked(names, [*(expected or ()), *options.drop_columns, *beside])
    refuse_bad_names(names, options.drop_columns, name, texts)
    if expected is None:
        _refuse_several_unknown(names, options, name)
    kept = [i for i, column in enumerate(names) if column not in options.drop_columns]
    group = _group(names, kept, options, name, expected)
    kept = [i for i in kept if i != group]
    label, guessed = _label(names, kept, options, name, expected, guess_label, texts)
    if expected is not None:
        if by_place and len(kept) == len(expected):
            return Plan(tuple(kept), None, False, group=group)
        held = [names[i] for i in kept]
        order = match_columns(held, expected, label=None if label is None else names[label], name=name)
        return Plan(tuple(kept[i] for i in order), label, guessed, group=group)
    _refuse_unknown(options.drop_columns, names, "--drop-column", name)
    features = tuple(i for i in kept if i != label)
    if not features:
        raise DataError(
            "DATA-COLUMNS", f"{name} has no column besides the label.", fix="name another label with --label"
        )
    return Plan(features, label, guessed, _notes(names, kept, label, guessed, name), group)


def match_columns(
    frame_columns: Sequence[str],
    expected: Sequence[str],
    *,
    label: str | None = None,
    group: str | None = None,
    name: str = "the table",
) -> list[int]:
    """The index of each of the `expected` columns in `frame_columns`; their order may differ, and `label` and `group`
    may be there too.

    Raises: DataError listing the missing and the unknown columns.
    """
    frame_columns = as_asked(frame_columns, [*expected, *(column for column in (label, group) if column is not None)])
    place = {column: i for i, column in enumerate(frame_columns)}
    missing = [column for column in expected if column not in place]
    extra = [column for column in frame_columns if column not in set(expected) | {label, group}]
    if not missing and not extra:
        return [place[column] for column in expected]
    problems = [
        *(f'missing: "{printable(c)}"' for c in missing),
        *(f'unknown to the model: "{printable(c)}"' for c in extra),
    ]
    parts = [f"{len(missing):,} missing" if missing else "", f"{len(extra):,} unknown" if extra else ""]
    message = f"{name} does not have the columns that the model was trained on: {' and '.join(filter(None, parts))}."
    if len(missing) == len(expected):
        message = f"{name} is a different table: it has none of the model's {counted(len(expected), 'column')}."
        raise DataError("DATA-COLUMNS", message, fix=OTHER_TABLE, problems=problems)
    raise DataError("DATA-COLUMNS", message, fix=_matching_fix(missing, extra), problems=problems)


def as_asked(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The names, with `'=a` replaced by `=a` or the other way around to match `wanted`: the apostrophe that
    `write_table` puts in front of formulas is not part of a name."""
    asked = {plain: column for column, plain in zip(wanted, without_apostrophes(wanted), strict=True)}
    plain, exact = without_apostrophes(names), {*names} & {*wanted}
    return [
        column if column in exact or asked.get(bare, column) in exact else asked.get(bare, column)
        for column, bare in zip(names, plain, strict=True)
    ]


def _matching_fix(missing: list[str], extra: list[str]) -> str:
    if not missing:
        return "leave out the unknown columns with " + " ".join(f"--drop-column {quoted(c)}" for c in extra)
    near = get_close_matches(missing[0], extra, n=1)
    return f'rename "{printable(near[0])}" to "{printable(missing[0])}"' if near else "add the missing columns"


def refuse_bad_names(names: Sequence[str], dropped: Sequence[str], name: str, texts: Sequence[str] = ()) -> None:
    """Checks that every column has a unique name; `texts` are the text columns.

    Raises: DataError listing all columns without a name or with a duplicate name; `column_7` is the seventh column.
    """
    addresses = [f"column_{i + 1}" for i in range(len(names))]
    kept = [i for i, column in enumerate(names) if not {column, addresses[i]} & set(dropped)]
    often = Counter(names[i] for i in kept if names[i].strip())
    problems = [f"{addresses[i]} has no name" for i in kept if not names[i].strip()]
    empty = [addresses[i] for i in kept if not names[i].strip()]
    for column, n in often.items():
        if n > 1:
            places = ", ".join(str(i + 1) for i in kept if names[i] == column)
            problems.append(f'"{printable(column)}" is the name of columns {places}')
    if not problems:
        return
    first = {names[i]: i for i in reversed(kept)}
    further = [addresses[i] for i in kept if names[i].strip() and first[names[i]] != i]
    drop = " ".join(f"--drop-column {address}" for address in (*empty, *further))
    fix = f"give every column a unique name, or pass {drop}"
    if empty == ["column_1"] and not further:
        fix = "if it is only the row index that pandas writes, leave it out with --drop-column column_1"
        if names[0] in texts:  # the index of a data frame is often a time or a name
            fix = "if it holds times, pass --column column_1=time; if it only names the rows, --column column_1=id"
    raise DataError("DATA-HEADER", f"{name}: not every column has a unique name.", fix=fix, problems=problems)


def named(names: Sequence[str], options: DataConfig) -> list[str]:
    """The names, with `column_7` for the seventh column if it is dropped under that name, or has no name and an option
    refers to it so.
    """
    given = {options.label, options.group, options.time, *(kind.rpartition("=")[0] for kind in options.kinds)}
    addresses = [f"column_{i + 1}" for i in range(len(names))]
    return [
        address if address in options.drop_columns or (address in given and not column.strip()) else column
        for address, column in zip(addresses, names, strict=True)
    ]


def _label(
    names: Sequence[str],
    kept: list[int],
    options: DataConfig,
    name: str,
    expected: Sequence[str] | None,
    guess: bool,
    texts: Sequence[str],
) -> tuple[int | None, bool]:
    by_name = {names[i]: i for i in kept}
    if options.label is not None:
        if options.label not in by_name and expected is None:
            likely_first = sorted((names[i] for i in kept), key=lambda column: column not in texts)
            _refuse_unknown([options.label], likely_first, "--label", name)
        return by_name.get(options.label), False
    free = {names[i].lower(): i for i in reversed(kept) if names[i] not in (expected or ())}
    found = next((free[word] for word in LABEL_NAMES if word in free), None)
    return (found, found is not None) if guess and len(kept) > 1 else (None, False)


def _group(
    names: Sequence[str], kept: list[int], options: DataConfig, name: str, expected: Sequence[str] | None
) -> int | None:
    """The index of the `--group` column; new data may lack it. Raises: DataError."""
    if options.group is None or (expected is not None and options.group not in names):
        return None
    _refuse_unknown([options.group], [names[i] for i in kept], "--group", name)
    if options.group == options.label or options.group in (expected or ()):
        what = "the label" if options.group == options.label else "a feature of the model"
        message = f'{name}: column "{printable(options.group)}" is {what}, so it cannot name the groups.'
        raise DataError("DATA-COLUMNS", message, fix="name another column with --group, or leave --group out")
    return names.index(options.group)


def _notes(names: Sequence[str], kept: list[int], label: int | None, guessed: bool, name: str) -> tuple[str, ...]:
    if label is None or not guessed:
        return ()
    notes = [f'{name}: column "{printable(names[label])}" is used as the label, not as a feature.']
    more = [names[i] for i in kept if i != label and names[i].lower() in LABEL_NAMES]
    if more:
        drop = " ".join(f"--drop-column {quoted(column)}" for column in more)
        notes.append(f"{name}: other columns that may be labels: {listed(more)}; to leave them out: {drop}.")
    return tuple(notes)


def _refuse_unknown(wanted: Sequence[str], names: Sequence[str], option: str, name: str) -> None:
    for column in wanted:
        if column not in names:
            near = get_close_matches(column, names, n=1)
            fix = f"did you mean {option} {quoted(near[0])}?" if near else f"the columns are {listed(names, 10)}"
            raise DataError("DATA-COLUMNS", f'{name} has no column "{printable(column)}" for {option}.', fix=fix)


def _refuse_several_unknown(names: Sequence[str], options: DataConfig, name: str) -> None:
    """Raises: DataError if several options name columns that do not exist, with suggestions."""
    asked = [("--label", options.label), ("--group", options.group)]
    asked += [("--drop-column", column) for column in options.drop_columns]
    unknown = [(option, column) for option, column in asked if column is not None and column not in names]
    if len(unknown) < 2:
        return
    problems, meant = [], []
    for option, column in unknown:
        near = get_close_matches(column, names, n=1)
        meant += [f"{option} {quoted(near[0])}"] if near else []
        known = f"; did you mean {quoted(near[0])}?" if near else ""
        problems.append(f'{option} "{printable(column)}"{known}')
    fix = f"pass {' '.join(meant)}" if len(meant) == len(unknown) else f"the columns are {listed(names, 10)}"
    message = f"{name}: {len(unknown):,} options name columns that do not exist."
    raise DataError("DATA-COLUMNS", message, fix=fix, problems=problems)


def quoted(name: str) -> str:
    """A column name as one word of a command line."""
    plain = name.isascii() and name.replace("_", "").replace("-", "").replace(".", "").isalnum()
    return name if plain and not name.startswith("-") else shell_word(name)

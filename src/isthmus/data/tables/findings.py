"""Collects all problems of a table while it is read, and reports them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.schema import Schema, asked_kinds, column_option
from isthmus.data.tables.cells import NO_NUMBER, PLAIN, Style, reason
from isthmus.data.tables.columns import quoted
from isthmus.data.tables.null_hints import words_option
from isthmus.data.tables.null_values import NullValues
from isthmus.data.tables.number_units import example_of, template_of
from isthmus.errors import DataError
from isthmus.wording import counted, plural, printable

KEPT = 100_000  # bad cells that are stored; further ones are only counted
PROBED = 100  # cells of a column that are tried to find an option that reads all of them
TEXT_SHARE = 0.5  # a column with a larger share of bad cells is text, and is reported once
FEWEST_LEFT = 2  # the minimum of rows for training
LONGEST = 40  # characters of a cell or a row in messages


class Findings:
    """The bad cells, missing values and rows of the wrong length in one table.

    `counting` explains how rows are counted. `label` and `group` are indices of columns whose gaps cannot be filled
    with a median. `style` is the number format, for messages. `known` is the schema of a trained model, with the words
    that mean missing values. `where` names a row, for a table in several files with its file.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[str],
        options: DataConfig,
        *,
        counting: str,
        label: int | None = None,
        group: int | None = None,
        style: Style = PLAIN,
        known: Schema | None = None,
        where: Callable[[int], str] = "row {:,}".format,
    ) -> None:
        self.known, self.where = known, where
        self.nulls = NullValues(options.null_values, columns, known)
        self.name, self.columns, self.options, self.counting, self.style = name, columns, options, counting, style
        self.label, self.group = label, group
        self.ragged: list[tuple[int, str]] = []
        self.bad: dict[int, list[tuple[int, str]]] = {}
        self.n_bad, self.n_missing = Counter[int](), Counter[int]()
        self.first_missing: dict[int, tuple[int, str]] = {}
        self.times: dict[int, str] = {}  # an example of the format of each time column
        self.truths: dict[int, tuple[str, ...]] = {}  # the two words of each yes-no column
        self.wholes: set[int] = set()  # columns of counts
        self.templates: dict[int, str] = {}  # `TableColumn.template` of number columns written like $12
        self.counts_asked = False  # whether the fix may suggest another kind for them
        self.n_rows = self.n_rows_bad = self.n_rows_missing = self.n_kept = 0

    def add_cells(
        self,
        rows: np.ndarray | range,
        missing: np.ndarray,
        bad: np.ndarray,
        show: Callable[[int, int], str],
        columns: Sequence[int],
    ) -> None:
        """Adds masks of a block (n, k) of cells; `show(i, j)` is the text of a cell, `columns` the table indices."""
        for j in np.flatnonzero(bad.any(0)).tolist():
            found, column = np.flatnonzero(bad[:, j]).tolist(), columns[j]
            most = max(KEPT - self.n_kept, column not in self.bad)  # every column keeps at least one as an example
            kept = [(int(rows[i]), show(i, j)) for i in found[:most]]
            self.bad.setdefault(column, []).extend(kept)
            self.n_kept += len(kept)
            self.n_bad[column] += len(found)
        for j in np.flatnonzero(missing.any(0)).tolist():
            first, column = int(missing[:, j].argmax()), columns[j]
            self.first_missing.setdefault(column, (int(rows[first]), show(first, j)))
            self.n_missing[column] += int(missing[:, j].sum())

    def add_ragged(self, row: int, found: int, text: str, spans: int = 1) -> None:
        """Adds a row with `found` fields; it spans several lines if a quote was not closed."""
        expected = len(self.columns)
        opened = f", in quotes opened here and closed {spans - 1:,} rows below" if spans > 1 else ""
        more = f"{self.where(row)}: expected {counted(expected, 'field')}, found {found:,}{opened}"
        self.ragged.append((row, f"{more}: {_short(text)}"))
        self.n_rows_bad += 1

    def add_part(self, part: Findings, start: int) -> None:
        """Adds what was found in one file of the table while its cells were read; its row 1 is row `start` + 1 here."""
        place = {name: at for at, name in enumerate(self.columns)}
        self.ragged += [(start + row, text) for row, text in part.ragged]
        self.n_rows += part.n_rows
        self.n_rows_bad += part.n_rows_bad
        for column, (row, text) in part.first_missing.items():
            self.first_missing.setdefault(place[part.columns[column]], (start + row, text))
            self.n_missing[place[part.columns[column]]] += part.n_missing[column]
        self.nulls.add_met(part.nulls)

    def conclude(self) -> tuple[str, ...]:
        """Notes about what was left out, as the options allow.

        Raises: DataError with every problem that the options do not cover.
        """
        texts = self.text_columns()
        refused_bad = bool(texts) or (bool(self.ragged or self.n_bad) and not self.options.skip_bad_rows)
        refused_missing = bool(self.n_missing) and self.options.missing in (
            {"error"} if self.known else {"auto", "error"}
        )
        if refused_bad or refused_missing:
            raise self._error(refused_bad, refused_missing, texts)
        notes = []
        if self.n_rows_bad:
            first = min(
                [
                    *self.ragged,
                    *((row, self._cell(c, row, text)) for c, cells in self.bad.items() for row, text in cells),
                ]
            )
            notes.append(f"{self.name}: {self._share(self.n_rows_bad)} skipped; the first: {first[1]}.")
        if self.n_missing and self.options.missing == "drop":
            notes.append(f"{self.name}: {self._share(self.n_rows_missing)} left out because of missing values.")
        return tuple(notes)

    def text_columns(self) -> list[int]:
        """Columns in which most cells are not numbers."""
        rows = max(1, self.n_rows)
        return sorted(c for c, n in self.n_bad.items() if n > max(1, TEXT_SHARE * (rows - self.n_missing[c])))

    def _error(self, bad: bool, missing: bool, texts: list[int]) -> DataError:
        cells = (
            [(row, c, text) for c, found in self.bad.items() if c not in texts for row, text in found] if bad else []
        )
        problems = [self._text_column(c) for c in texts]
        by_row = [(row, text) for row, text in self.ragged if bad]
        by_row += [(row, self._cell(c, row, text)) for row, c, text in cells]
        problems += [text for _, text in sorted(by_row)]
        problems += [self._missing(c) for c in sorted(self.n_missing)] if missing else []
        code = "DATA-ROW" if bad else "DATA-MISSING"
        what = f", {problems[0]}" if len(problems) == 1 else f": {self._summary(bad, missing, texts)}"
        listed = problems if len(problems) > 1 else ()
        fix = self._fix(bad, missing, texts)
        error = DataError(code, f"{self.name}{what}. {self.counting}", fix=fix, problems=listed)
        error.wanted = frozenset(map(self._kind_of, texts))
        return error

    def _summary(self, bad: bool, missing: bool, texts: list[int]) -> str:
        n_cells = sum(n for c, n in self.n_bad.items() if c not in texts) if bad else 0
        n_missing, n_columns = sum(self.n_missing.values()), len(self.n_missing)
        parts = [
            (len(texts), f"{len(texts):,} column{'s hold' if len(texts) > 1 else ' holds'} {self._held(texts)}"),
            (n_cells, f"{counted(n_cells, 'cell')} {self._unusable(n_cells)}"),
            (
                bad and len(self.ragged),
                f"{len(self.ragged):,} row{'s have' if len(self.ragged) > 1 else ' has'} too many or too few fields",
            ),
            (
                missing and n_missing,
                f"{n_missing:,} value{'s are' if n_missing > 1 else ' is'} missing in {n_columns:,} "
                f"{plural(n_columns, 'column')}",
            ),
        ]
        return ", ".join(text for n, text in parts if n)

    def _held(self, texts: list[int]) -> str:
        return "numbers that are not counts" if self.counts_asked and self._only_fractions(()) else "text"

    def _fix(self, bad: bool, missing: bool, texts: list[int]) -> str:
        """One command that solves all problems; if they are of one kind, also how many rows would be left out."""
        option = self._common_option() if bad and self.n_bad else None
        texts = [] if option else texts  # the option reads them too
        option = option or (self._common_option(texts) if texts else None)
        skips = bad and not self.options.skip_bad_rows
        skips = skips and bool(self.ragged or (not option and self.n_bad.keys() - {*texts}))
        empty = [c for c in sorted(self.n_missing) if missing and self.n_missing[c] >= self.n_rows]
        gaps = missing and bool(self.n_missing.keys() - {*empty, *texts})
        drop = " ".join(f"--drop-column {quoted(self.columns[c])}" for c in sorted({*texts, *empty}))
        options = [drop, option or "", "--skip-bad-rows" * skips, f"--missing {self._filling()}" * gaps]
        given = [text for text in options if text]
        is_time = self.options.time in {self.columns[c] for c in (*texts, *empty)}
        untimed = " and leave out --time" * is_time  # which names a column that is dropped
        if len(given) == 1 or (skips and gaps and not drop and not option):
            return self._fix_of_one_kind(drop, option, len(texts), len(empty), untimed, skips=skips, gaps=gaps)
        return f"pass {' '.join(given)}{untimed}, which solves all of these problems"

    def _fix_of_one_kind(
        self, drop: str, option: str | None, n_texts: int, n_empty: int, untimed: str, *, skips: bool, gaps: bool
    ) -> str:
        if option:
            return f"pass {option}"
        if drop:
            names = "them" if n_texts + n_empty > 1 else "it"
            label = ", or name the label with --label" * bool(n_texts and not untimed)
            return f"leave {names} out with {drop}{untimed}{label}"
        n = self._share(self.n_rows_missing, "left out")
        correct = f"correct the {plural(self.n_rows_bad, 'row')}"
        skip = f"{correct}, or pass --skip-bad-rows ({self._share(self.n_rows_bad, 'would be skipped')})"
        if skips:
            return f"{skip} and --missing drop ({n})" if gaps else skip
        if self._filling() == "median":
            return "pass --missing median to fill each gap with its column's median; almost every row has a gap"
        return f"pass --missing drop ({n})" + self._or_median()

    def _filling(self) -> str:
        """`drop`, unless almost no rows would be left."""
        few = self.n_rows - self.n_rows_missing < FEWEST_LEFT
        return "median" if few and self._or_median() else "drop"

    def _or_median(self) -> str:
        known = {self.label, self.group} & self.n_missing.keys()
        return "" if known else ", or --missing median to fill each gap with its column's median"

    def _common_option(self, without: Sequence[int] = ()) -> str | None:
        """The option that would read all bad cells outside the columns `without`; None if there is none."""
        if self.counts_asked and self.n_bad and self._only_fractions(without):
            return " ".join(column_option(self.columns[c], "number") for c in sorted({*self.n_bad} - {*without}))
        examples = {c: [text for _, text in found[:PROBED]] for c, found in self.bad.items() if c not in without}
        if examples and all(self._may_be_numbers(c, texts) for c, texts in examples.items()):
            return " ".join(column_option(self.columns[c], "number") for c in sorted(examples))
        cells = [text for texts in examples.values() for text in texts]
        worded = examples.keys() & {*self.text_columns(), *self.truths}  # the words of these columns are values
        if not worded and (option := words_option(cells, self.style)) is not None:
            return option
        wanted = {reason(text, self.style).fix for text in cells}
        return wanted.pop() if len(wanted) == 1 else None

    def _may_be_numbers(self, column: int, texts: Sequence[str]) -> bool:
        """Whether the bad cells are numbers with a unit, in a column whose kind no option sets."""
        asked = asked_kinds(self.options.kinds).get(self.columns[column])
        return asked is None and column not in self.times and template_of(texts, self.style) is not None

    def _only_fractions(self, without: Sequence[int]) -> bool:
        """Whether all bad cells are numbers in columns of counts."""
        cells = [(c, text) for c, found in self.bad.items() if c not in without for _, text in found[:PROBED]]
        return bool(cells) and all(c in self.wholes and self.style.is_number(text.strip()) for c, text in cells)

    def _cell(self, column: int, row: int, text: str) -> str:
        return (
            f'{self.where(row)}, column "{printable(self.columns[column])}": {_short(text)} {self._why(column, text)}'
        )

    def _unusable(self, n: int) -> str:
        if (self.times.keys() | self.truths.keys()) & self.n_bad.keys():
            return "cannot be used"
        return "are not usable numbers" if n > 1 else "is not a usable number"

    def _why(self, column: int, text: str) -> str:
        """A clause that says why a cell cannot be used."""
        if column in self.times:
            return f'is not a time such as "{printable(self.times[column])}"'
        if column in self.truths:
            return "is neither " + " nor ".join(f'"{printable(word)}"' for word in self.truths[column])
        if column in self.templates:
            return f'is not a number such as "{printable(example_of(self.templates[column]))}"'
        if column in self.wholes and self.style.is_number(text.strip()):
            return "is not a count (a whole number, 0 or more)"
        return reason(text, self.style).words

    def _text_column(self, column: int) -> str:
        row, text = self.bad[column][0]
        why = self._why(column, text)
        example = f"{_short(text)} in {self.where(row)}" + ("" if why == NO_NUMBER else f", which {why}")
        rows = f"{self.n_bad[column]:,} of {self.n_rows:,} rows hold no {self._kind_of(column)}"
        return f'column "{printable(self.columns[column])}": {rows}, for example {example}'

    def _kind_of(self, column: int) -> str:
        """The kind of values that the column should hold, in words."""
        if column in self.wholes:
            return "count"
        return "yes or no" if column in self.truths else "time" if column in self.times else "number"

    def _missing(self, column: int) -> str:
        n, (row, text) = self.n_missing[column], self.first_missing[column]
        how = _short(text) if text.strip() else "empty"
        values = f"{counted(n, 'missing value')}, the first in {self.where(row)} ({how})"
        return f'column "{printable(self.columns[column])}": {values}'

    def _share(self, n: int, what: str = "were") -> str:
        what = "was" if n == 1 and what == "were" else what
        return f"{n:,} of {self.n_rows:,} rows {what}"


def _short(text: str) -> str:
    excerpt = printable(text[:LONGEST])
    return f'"{excerpt}…"' if len(text) > LONGEST else f'"{excerpt}"'

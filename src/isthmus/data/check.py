"""`check`: all facts and problems of data that can be found before training."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from isthmus.config import DataConfig
from isthmus.data.alike_problems import without_repeats
from isthmus.data.hashing import Matches
from isthmus.data.pairs.targets import read_targets
from isthmus.data.ranges import about_dark, about_narrow
from isthmus.data.read import read, read_samples
from isthmus.data.samples import Bundle, Samples, skipped_files
from isthmus.data.summary import Summary, facts_of, pairs_text, rows_about
from isthmus.data.unrepeated import OPTION
from isthmus.errors import DataError, IsthmusError, ResourceError, UsageError
from isthmus.system.workers import Progress
from isthmus.wording import counted, printable

if TYPE_CHECKING:
    from isthmus.data.batching.split import Splits
    from isthmus.data.pairs.difference import Difference

FORMAT = 1  # of `as_dict`
FINAL = {  # errors that less strict reading would only repeat, with their downloads
    "DATA-ARCHIVE", "DATA-CONTENT", "DATA-DOWNLOAD", "DATA-KEY", "DATA-KIND", "DATA-PICKLE", "DATA-SOURCE",
}  # fmt: skip


FEWEST_TRAINED = 2  # samples that training needs
LEAST = 4  # samples that `split` needs: two for training, one for validation, one for testing
CHECK_IT = "Check that this is the data you meant, and that its source gives different samples."
SIZES_SHOWN = 10  # the most frequent sizes of images of mixed sizes; photographs have hundreds


@dataclass(frozen=True)
class CheckResult:
    """The findings. `bundle` is the data that could be read, without bad rows and files if necessary; None if nothing.

    `problems` are the errors that reading with these options would raise, each with all its rows or files. `warnings`
    are about problems that would not stop training, but make its results misleading. `notes` are about what was guessed
    or converted. `skipped` are the files that options such as `--skip-bad-files` left out, each with its problem.
    """

    source: str
    bundle: Bundle | None
    train: Summary | None
    test: Summary | None
    overlap: Matches
    overlap_pairs: tuple[tuple[str, str], ...]
    problems: tuple[IsthmusError, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    pairs: Difference | None = None  # how the data differs from its target, if there is one
    series: str | None = None  # the windows that training with `--window` would use
    as_if: str | None = None  # the size HxW that images of several sizes were resized to, only for the check

    @property
    def ok(self) -> bool:
        """Whether training could start."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, including every bad row and file."""
        found = [
            {"code": p.code, "message": p.message, "fix": p.fix, "count": len(p.problems), "problems": list(p.problems)}
            for p in self.problems
        ]
        parts = {"train": self.train, "test": self.test}
        return {
            "format": FORMAT,
            "source": self.source,
            "ok": self.ok,
            "parts": {name: facts.as_dict() for name, facts in parts.items() if facts is not None},
            "overlap": {"count": self.overlap.count, "pairs": [list(pair) for pair in self.overlap_pairs]},
            "problems": found,
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "skipped": list(self.skipped),
        } | ({"pairs": self.pairs.as_dict()} if self.pairs is not None else {})

    def rows(self) -> list[tuple[str, str]]:
        """Titles and sentences for a printed table, problems last; rows with the same problem share a line."""
        rows = [("data", printable(self.source))]
        for title, facts in (("", self.train), ("test: ", self.test)):
            rows += (
                [(title + name, self._of_several_sizes(name, text)) for name, text in rows_about(facts)]
                if facts
                else []
            )
        if self.test is not None:
            overlap = pairs_text(
                self.overlap.count, self.test.n, self.overlap_pairs, "test samples also in the training data"
            )
            rows.append(("train and test overlap", overlap))
        rows += self.pairs.rows() if self.pairs is not None else []
        rows += [("series", self.series)] if self.series is not None else []
        rows += [("note", note) for note in self.notes]
        rows += [("skipped", text) for text in self.skipped]
        rows += [("warning", warning) for warning in self.warnings]
        for problem in self.problems:
            rows.append(("problem", problem.message))
            sizes = problem.code == "DATA-SIZE"
            lines = problem.problems[:SIZES_SHOWN] if sizes else without_repeats(problem.problems)
            rows += [("", text) for text in lines]
            left = len(problem.problems) - SIZES_SHOWN if sizes else 0
            rows += [("", f"… and {counted(left, 'more size')}; --json lists all")] if left > 0 else []
            rows += [("fix", problem.fix)] if problem.fix else []
        return rows

    def _of_several_sizes(self, name: str, text: str) -> str:
        """For images of several sizes, says that the shown size is not theirs."""
        if self.as_if is None or name != "samples":
            return text
        images, size = text.split(" of ", 1)
        return f"{images}, resized to {size} for this check"


def check(source: Any, options: DataConfig | None = None, progress: Progress | None = None) -> CheckResult:
    """Reads `source` (anything that `read` takes) and reports everything about it; bad data does not raise.

    If reading fails, the error is kept with all its rows or files, and reading continues without them as far as
    possible. `options.test` names separate test data, and `options.target` the clean images of noisy data, for which
    images of any size are checked whole.

    Raises: UsageError for invalid settings.
    """
    options = options or DataConfig()
    if options.target is not None and options.crop is options.patches is None and options.frames == "first":
        options = replace(options, whole=True)
    bundle, problems, as_read = _read_leniently(source, options, progress)
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else f"a {type(source).__name__}"
    if bundle is None:
        return CheckResult(str(name), None, None, None, Matches(0, ()), (), tuple(problems), (), ())
    series = _series(bundle, options, problems) if options.window is not None else None
    as_if = as_read.resize if as_read.resize != options.resize else None
    train = facts_of(bundle.train)
    test = facts_of(bundle.test) if bundle.test is not None else None
    overlap = Matches(0, ())
    if bundle.test is not None:
        overlap = bundle.train.overlap(bundle.test)
    pairs = _pairs(bundle.train, as_read, problems) if options.target is not None else None
    difference = _difference(pairs, options) if pairs is not None else None
    notes = [*(pairs or (series or bundle).train).notes, *(bundle.test.notes if bundle.test is not None else ())]
    if train.is_image and train.dtype == "uint8" and options.scale == "auto":
        notes += about_dark(int(train.high))
    if train.is_image and train.dtype == "float32" and options.scale == "auto":
        notes += about_narrow(train.low, train.high)
    return CheckResult(
        source=str(name),
        bundle=bundle,
        train=train,
        test=test,
        overlap=overlap,
        overlap_pairs=_ids(bundle, overlap),
        problems=tuple(problems),
        warnings=(*_warnings(train, test, overlap), *(difference.warnings() if difference is not None else ())),
        notes=tuple(dict.fromkeys(_as_if(notes) if as_if else notes)),
        pairs=difference,
        series=None if series is None else _series_sentence(series),
        as_if=as_if,
        skipped=skipped_files(bundle.train, bundle.test) if options.skip_bad_files else (),
    )


def _series(bundle: Bundle, options: DataConfig, problems: list[IsthmusError]) -> Splits | None:
    """The windows that training would use; errors are added to `problems`."""
    from isthmus.data.series.series_reading import as_series, known_series  # late: PyTorch is slow to import
    from isthmus.data.series.series_split import divide_series

    try:
        series = as_series(bundle.train, options)
        others = {} if bundle.test is None else {"test": known_series(bundle.test, series.layout).rows}
        return divide_series(series.rows, series.layout, others)
    except (DataError, UsageError) as error:
        problems.append(error)
        return None


def _series_sentence(splits: Splits) -> str:
    """A sentence on the number and size of the windows."""
    layout, sizes = splits.series, [len(part) for part in (splits.train, splits.validation, splits.test)]
    assert layout is not None
    columns, rows = counted(layout.n_columns, "column"), counted(layout.window, "row")
    order = f'sorted by "{printable(layout.time)}"' if layout.time else "in table order"
    n, watched, test = (f"{size:,}" for size in sizes)
    return f"windows of {rows} and {columns}, {order}: {n} for training, {watched} for validation, {test} for testing"


def _pairs(noisy: Samples, options: DataConfig, problems: list[IsthmusError]) -> Samples | None:
    """The data with its target, if necessary without samples that have none; errors are added to `problems`."""
    for lenient in (False, True):
        try:
            targets = read_targets(replace(options, skip_bad_files=options.skip_bad_files or lenient))
            return None if targets is None else targets.of_bundle(Bundle(noisy)).train
        except (DataError, ResourceError) as error:
            if not any(_tells(known, error) for known in problems):
                problems.append(error)
    return None


def _difference(pairs: Samples, options: DataConfig) -> Difference:
    from isthmus.data.batching.preprocess_fitting import fit_preprocess  # late: PyTorch is slow to import
    from isthmus.data.pairs.difference import difference_of

    return difference_of(pairs, fit_preprocess(pairs, options.scale, options.digits, options.range))


def _as_if(notes: list[str]) -> list[str]:
    return [re.sub(r" resized to (\d+ x \d+ pixels)", r" resized to \1 for this check", n) for n in notes]


def _read_leniently(
    source: Any, options: DataConfig, progress: Progress | None
) -> tuple[Bundle | None, list[IsthmusError], DataConfig]:
    """The data that can be read, the errors, and the settings used; each retry is less strict."""
    problems: list[IsthmusError] = []
    current: DataConfig | None = options
    while current is not None:
        try:
            bundle = read(source, current, progress)
            if options.test is not None:
                bundle = replace(bundle, test=read_samples(options.test, current, progress))
            return bundle, problems, current
        except (DataError, ResourceError) as error:
            own = current.missing != options.missing and error.code in {"DATA-EMPTY", "DATA-MISSING"}  # by relaxing
            if not (problems and own) and not any(_tells(known, error) for known in problems):
                problems.append(error)
            once = hasattr(source, "__next__")  # a generator yields its samples only once
            current = None if once or error.code in FINAL else _relaxed(current, error)
    return None, problems, options


def _tells(known: IsthmusError, error: IsthmusError) -> bool:
    """Whether a known error already reports this one, alone or in its list."""
    if error.problems:
        return set(error.problems) <= set(known.problems)
    return error.message == known.message or any(text in error.message for text in known.problems)


def _relaxed(options: DataConfig, error: IsthmusError) -> DataConfig | None:
    """Settings that prevent this error; None if there are none."""
    missing = "drop" if options.missing == "error" else options.missing
    without = replace(options, skip_bad_files=True, skip_bad_rows=True, allow_trailing=True, missing=missing)
    if without != options:
        return without
    if error.code == "DATA-EMPTY" and options.missing == "drop":  # every row had a gap
        return replace(options, missing="median")
    size = re.search(r"--resize (\d+x\d+)", error.fix or "") if error.code == "DATA-SIZE" else None
    return replace(options, resize=size[1]) if size and options.resize is None else None


def _ids(bundle: Bundle, overlap: Matches) -> tuple[tuple[str, str], ...]:
    if bundle.test is None:
        return ()
    return tuple((bundle.train.id_of(a), bundle.test.id_of(b)) for a, b in overlap.pairs)


def _warnings(train: Summary, test: Summary | None, overlap: Matches) -> list[str]:
    found = []
    if test is None and train.n < LEAST:
        sentence = f"{counted(train.n, 'sample')}; to split into training, validation and test takes at least {LEAST}"
        others = ", or pass other data with --validation and --test" if train.n >= FEWEST_TRAINED else ""
        found.append(f"{sentence}. Add samples{others}.")
    if overlap.count:
        assert test is not None
        share = overlap.count / test.n
        found.append(
            f"{overlap.count:,} of {counted(test.n, 'test sample')} ({share:.1%}) also in the training data; results "
            f"on such samples say nothing about new data. Remove them from one of the two, or train with {OPTION}."
        )
    if train.low == train.high:
        found.append(f"all values are {train.low:g}; there is nothing to learn. {CHECK_IT}")
    elif train.n > 1 and train.duplicates.count == train.n - 1:
        found.append(f"all {train.n:,} samples are identical; there is nothing to learn. {CHECK_IT}")
    elif train.duplicates.count:
        found.append(
            f"{counted(train.duplicates.count, 'duplicate sample')}; a random split may put equal samples into both "
            f"training and test data. Remove duplicates, or train with {OPTION}."
        )
    few = [name for name, n in train.classes.items() if n < 2]
    if few:
        names = ", ".join(map(printable, few[:10]))
        them = "it" if len(few) == 1 else "them"
        found.append(
            f"classes with fewer than 2 samples ({len(few):,}): {names}. No test can judge {them}, as a class needs "
            f"samples in both training and test data. Add samples of {them}, or leave {them} out."
        )
    if test is not None and test.shape != train.shape:
        found.append(f"samples have the shape {train.shape} in the training data, but {test.shape} in the test data.")
    return found

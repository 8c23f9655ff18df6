"""The clean data of `--target`, read once for all sets that are paired with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from isthmus.config import DataConfig
from isthmus.data.hashing import are_in, numbers_of
from isthmus.data.objects import read_object
from isthmus.data.pairs.pairing import have_names, paired
from isthmus.data.read import read
from isthmus.data.samples import Bundle, Samples
from isthmus.errors import DataError
from isthmus.wording import counted

SHARED = 0.5  # of an additional set: any two sets of images share a few pieces that are all black or all white
LATER = (
    "give each set its own clean files in the target, with different names, or leave --validation and --test out: part "
    "of the training data is then held out, and `isthmus evaluate RUN NOISY --target CLEAN` measures other pairs"
)


class Targets(NamedTuple):
    """Clean samples; `lenient` means that noisy files without a clean one are left out."""

    bundle: Bundle
    lenient: bool

    def of(self, noisy: Samples) -> Samples:
        """Pairs of an additional set, whose clean samples are in the test part if there is one.

        Raises: DataError as `paired`.
        """
        return paired(noisy, self.bundle.test or self.bundle.train, lenient=self.lenient)

    def of_further(self, noisy: Samples, train: Samples) -> Samples:
        """Pairs of a set other than the training pairs `train`, from the same target.

        Raises: DataError as `paired`; for samples without names, which would get the clean samples of the training
        data; and for files whose clean samples are also in the training data: the same images, or the same names.
        """
        if self.bundle.test is None and not have_names(noisy, self.bundle.train):
            what = f"{noisy.name} and {train.name} have no file names by which to find their clean samples"
            raise DataError("DATA-PAIRS", f"{what} in one target.", fix=LATER)
        made = self.of(noisy)
        n = int(are_in(numbers_of(made.x), numbers_of(train.x)).sum())
        if n > SHARED * len(made):
            message = f"{noisy.name}: {n:,} of {counted(len(made), 'sample')} have the same clean ones as the "
            message += f"training data {train.name}: they are the same images, or others with the same names."
            raise DataError("DATA-PAIRS", message, fix=LATER)
        return made

    def of_bundle(self, noisy: Bundle) -> Bundle:
        """Pairs training part with training part, test part with test part; a target with one part is used for both.

        Raises: DataError as `paired`.
        """
        train = paired(noisy.train, self.bundle.train, lenient=self.lenient)
        return Bundle(train, None if noisy.test is None else self.of_further(noisy.test, train))


def read_targets(options: DataConfig, target: Any = None, *, expected: Sequence[str] | None = None) -> Targets | None:
    """The data of `options.target`, or the object `target`, read like the noisy data; None if there is neither.

    `expected` are the columns of a trained model.

    Raises: DataError for any problem that the reader finds.
    """
    if target is None and options.target is None:
        return None
    plain = replace(options, label=None, group=None)  # the noisy samples bring labels and groups
    named = target is None or isinstance(target, str | Path)
    bundle = read(str(target or options.target), plain, expected=expected) if named else None
    bundle = bundle or read_object(target, plain, expected=expected)
    return Targets(bundle, options.skip_bad_files)


__all__ = ["Targets", "read_targets"]

"""The clean data that a target names, read once for all sets that are to be paired with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from isthmus.config import DataConfig
from isthmus.data.hashing import numbers_of
from isthmus.data.objects import read_object
from isthmus.data.pairs.pairing import have_names, paired
from isthmus.data.read import read
from isthmus.data.samples import Bundle, Samples
from isthmus.errors import DataError
from isthmus.wording import counted

SHARED = 0.5  # of a further set: a few equal pieces, all black or all white, are in any two sets of pictures
LATER = (
    "give each set its own clean files in the target, with different names, or leave --validation and --test out: part "
    "of the training data is then held out, and `isthmus evaluate RUN NOISY --target CLEAN` measures other pairs"
)


class Targets(NamedTuple):
    """Clean samples; `lenient` says whether noisy files without a clean one are left out."""

    bundle: Bundle
    lenient: bool

    def of(self, noisy: Samples) -> Samples:
        """Pairs of a further set, whose clean ones are in the test part if there is one.

        Raises: DataError as `paired`.
        """
        return paired(noisy, self.bundle.test or self.bundle.train, lenient=self.lenient)

    def of_further(self, noisy: Samples, train: Samples) -> Samples:
        """Pairs of a set beside the training pairs `train`, from the same target.

        Raises: DataError as `paired`; for samples without names, which would get the clean ones of the training; and
        for files whose clean ones the training has too, which are other pictures of the same names, or the same ones.
        """
        if self.bundle.test is None and not have_names(noisy, self.bundle.train):
            what = f"{noisy.name} and {train.name} have no file names by which to find their clean samples"
            raise DataError("DATA-PAIRS", f"{what} in one target.", fix=LATER)
        made = self.of(noisy)
        n = int(np.isin(numbers_of(made.x), numbers_of(train.x)).sum())
        if n > SHARED * len(made):
            message = f"{noisy.name}: {n:,} of {counted(len(made), 'sample')} have the same clean ones as the "
            message += f"training data {train.name}: they are the same images, or others with the same names."
            raise DataError("DATA-PAIRS", message, fix=LATER)
        return made

    def of_bundle(self, noisy: Bundle) -> Bundle:
        """Training part with training part, test part with test part; of a target in one part, both with that.

        Raises: DataError as `paired`.
        """
        train = paired(noisy.train, self.bundle.train, lenient=self.lenient)
        return Bundle(train, None if noisy.test is None else self.of_further(noisy.test, train))


def read_targets(options: DataConfig, target: Any = None, *, expected: Sequence[str] | None = None) -> Targets | None:
    """What `options.target` names, or the object `target`, read as the noisy data is; None where there is neither.

    `expected` are the columns of a trained model.

    Raises: DataError for whatever the reader finds wrong.
    """
    if target is None and options.target is None:
        return None
    plain = replace(options, label=None, group=None)  # the noisy samples bring labels and groups
    named = target is None or isinstance(target, str | Path)
    bundle = read(str(target or options.target), plain, expected=expected) if named else None
    bundle = bundle or read_object(target, plain, expected=expected)
    return Targets(bundle, options.skip_bad_files)


__all__ = ["Targets", "read_targets"]

"""The clean data that a target names, read once for all sets that are to be paired with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from isthmus.config import DataConfig
from isthmus.data.objects import read_object
from isthmus.data.pairs.pairing import paired
from isthmus.data.read import read
from isthmus.data.samples import Bundle, Samples


class Targets(NamedTuple):
    """Clean samples; `lenient` says whether noisy files without a clean one are left out."""

    bundle: Bundle
    lenient: bool

    def of(self, noisy: Samples) -> Samples:
        """Pairs of a further set, whose clean ones are in the test part if there is one.

        Raises: DataError as `paired`.
        """
        return paired(noisy, self.bundle.test or self.bundle.train, lenient=self.lenient)

    def of_bundle(self, noisy: Bundle) -> Bundle:
        """Training part with training part, test part with test part; of a target in one part, both with that.

        Raises: DataError as `paired`.
        """
        train = paired(noisy.train, self.bundle.train, lenient=self.lenient)
        return Bundle(train, None if noisy.test is None else self.of(noisy.test))


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

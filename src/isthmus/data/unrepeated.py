"""Drops duplicates: samples identical to an earlier one, and test samples that are also in the training data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isthmus.data.hashing import find_exact_duplicates, find_overlap
from isthmus.data.samples import Bundle, Samples
from isthmus.wording import counted

OPTION = "--duplicates drop"


def without_duplicates(bundle: Bundle, others: dict[str, Samples | None]) -> tuple[Bundle, dict[str, Samples | None]]:
    """The sets without duplicates; a note on the training data says how many were left out.

    Of identical samples, the first one stays, whatever their labels. `others` are separate validation and test data by
    role: samples that are also in the training data are dropped, because they would make the results look too good.
    Pairs are identical if both halves are.
    """
    repeated = [row for _, row in find_exact_duplicates(bundle.train.both, most=len(bundle.train)).pairs]
    train = _without(bundle.train, repeated)
    n_left_out = len(repeated)
    apart: dict[str, Samples | None] = {}
    for role, samples in {"own test": bundle.test, **others}.items():
        seen = (
            []
            if samples is None
            else [row for _, row in find_overlap(train.both, samples.both, most=len(samples)).pairs]
        )
        apart[role] = None if samples is None else _without(samples, seen)
        n_left_out += len(seen)
    if n_left_out:
        note = f"{counted(n_left_out, 'duplicate sample')} left out (to keep duplicates: --duplicates keep)"
        train = replace(train, notes=(*train.notes, note))
    return Bundle(train, apart.pop("own test")), apart


def _without(samples: Samples, rows: list[int]) -> Samples:
    return samples.take(np.setdiff1d(np.arange(len(samples)), rows)) if rows else samples

"""Compares new samples with real ones: precision, recall, and whether they are copies of training samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from isthmus.errors import DataError
from isthmus.evaluation.metrics.measure import BASELINE_VALUES
from isthmus.evaluation.metrics.nearest import nearest
from isthmus.randomness import generator_for
from isthmus.runs.folder import RunFolder
from isthmus.tools.sampling.classifier import Classifier, classifier_of
from isthmus.tools.sampling.fidelity import Fidelity, K, precision_recall

if TYPE_CHECKING:
    from isthmus.training.prepared import Prepared

COMPARED = 1_000  # samples of each kind used for precision and recall: their standard error is then 0.01
LOOKED_UP = 500  # new samples, and about as many test samples, whose nearest training sample is searched: seconds
NEAR = 0.01  # a sample looks like a copy if only this share of test samples is as close to a training sample
CHANCE = 0.001  # samples are called copies if honest ones are this close in only one of a thousand sets
ALIKE = 0.25  # least precision or recall of comparable data: usually both are about 0.9, for a rising series 0
SEEN = 0.2  # share of copies that must be detectable; otherwise there are too few test samples (it takes about 27)


@dataclass(frozen=True)
class CopyCheck:
    """`rows` (n,) of the training samples nearest to each new sample, and the `distances`, per value.

    `limit` is the distance of the `rank`-th nearest of the `n_test` test samples, and `test_median` their median
    distance; `n_near` of the n new samples are closer than `limit`. `unlike`: real training samples do not resemble
    the test samples either, so their distances cannot be compared.
    """

    rows: np.ndarray
    distances: np.ndarray
    limit: float
    test_median: float
    n_test: int
    n_near: int
    unlike: bool = False

    @property
    def rank(self) -> int:
        return rank_of(self.n_test)

    @property
    def suspicious(self) -> bool:
        return not self.unlike and self._would_show(self.n_near)

    @property
    def tellable(self) -> bool:
        """Whether there are enough test samples for `suspicious` to be meaningful: a fifth of copies would show."""
        return not self.unlike and self._would_show(round(SEEN * len(self.rows) + (1 - SEEN) * self._usual))

    @property
    def _usual(self) -> float:
        """The expected number of samples this close, if none are copies."""
        return len(self.rows) * self.rank / (self.n_test + 1)

    def _would_show(self, n_near: int) -> bool:
        from scipy.stats import betabinom  # late: half a second that few commands need

        # for samples like the test's, the number below its k-th smallest distance is beta-binomial, B(k, m + 1 - k)
        chance = betabinom.sf(n_near - 1, len(self.rows), self.rank, self.n_test + 1 - self.rank)
        return bool(chance < CHANCE)

    @property
    def text(self) -> str:
        n = len(self.rows)
        near = (
            f"{self.n_near} of {n:,} new samples {'is' if self.n_near == 1 else 'are'} closer to a training sample than"
        )
        others = self.n_test + 1 - self.rank  # at `limit` or farther away
        share = f"{near} {others:,} of {self.n_test:,} test samples are"
        usual = f"{self._usual:.0f}"
        median = f"median distance {np.median(self.distances):.3g}, for test samples {self.test_median:.3g}"
        if self.unlike:
            why = "The test data is unlike the training data, so it does not show whether samples are copies"
            return f"{why} ({median})."
        if self.suspicious:
            many = f"far more than the {usual} expected by chance ({median})"
            return f"Copies? {share}, {many}. Look at them: samples close to the average can also be that close."
        if not self.tellable:
            few = f"Too few test samples ({self.n_test:,}) to tell whether samples are copies"
            return f"{few}: {share}; about {usual} would be expected by chance ({median})."
        return f"No sign of copying: {share}; about {usual} would be expected by chance ({median})."


@dataclass(frozen=True)
class Resemblance:
    """`fidelity` of new samples compared with test samples in the feature space described by `features`, and `copies`.

    `reference` is the fidelity of the same number of real training samples, as the value that real data reaches.
    """

    fidelity: Fidelity
    reference: Fidelity
    features: str
    copies: CopyCheck

    @property
    def text(self) -> str:
        f, r = self.fidelity, self.reference
        return (
            f"Precision {f.precision:.2f}, recall {f.recall:.2f}, for {f.n_generated:,} samples and {f.n:,} test "
            f"samples (k = {K}), in {self.features}. Real training samples have {r.precision:.2f} and {r.recall:.2f}."
        )

    def as_dict(self) -> dict[str, Any]:
        c = self.copies
        return {
            "precision": self.fidelity.precision,
            "recall": self.fidelity.recall,
            "k": K,
            "n_test": self.fidelity.n,
            "n_generated": self.fidelity.n_generated,
            "features": self.features,
            "training_samples": {"precision": self.reference.precision, "recall": self.reference.recall},
            "copies": {
                "n": len(c.rows),
                "n_near": c.n_near,
                "limit": c.limit,
                "median": float(np.median(c.distances)),
                "test_median": c.test_median,
                "suspicious": c.suspicious,
                "enough_test_samples": c.tellable,
            },
            "verdict": c.text,
        }


def resemblance(run: RunFolder, x: np.ndarray, of: str | None = None, judge: Classifier | None = None) -> Resemblance:
    """Compares new raw samples x (n, *shape) with the run's training and test data, or only with class `of` of it.

    `judge`: a classifier that several runs share, instead of the run's own.

    Raises: DataError if the data cannot be read, or has too few samples.
    """
    prepared = run.prepared
    seed = prepared.config.training.seed
    new = prepared.preprocess.to_x(torch.from_numpy(np.array(x)))
    train, test = (_of_class(prepared, role, of) for role in ("train", "test"))
    few = min(len(new), len(test), COMPARED)
    if few <= K:
        message = (
            f"precision and recall need more than {K} new and {K} test samples; found {len(new):,} and {len(test):,}."
        )
        help_ = "leave out --class" if of is not None else "use a run with more test data"
        raise DataError("DATA-COUNT", message, fix="draw more with -n" if len(new) <= K else help_)
    pick = generator_for(seed, "resemblance")
    real = test[torch.randperm(len(test), generator=pick)[:few]]
    known = train[torch.randperm(len(train), generator=pick)[:few]]
    features, words = feature_space(run, judge)
    real_features = features(real)
    reference = precision_recall(real_features, features(known))
    copies = check_copies(new[:LOOKED_UP], train, test[:: max(1, len(test) // LOOKED_UP)])
    unlike = max(reference.precision, reference.recall) < ALIKE
    return Resemblance(
        precision_recall(real_features, features(new[:few])), reference, words, replace(copies, unlike=unlike)
    )


def feature_space(run: RunFolder, judge: Classifier | None = None) -> tuple[Callable[[Tensor], Tensor], str]:
    """The features in which precision and recall are measured, and their name: those of a classifier for images with
    labels, because in pixels a blurred image is close to many others and looks better than it is.
    """
    if not run.prepared.preprocess.is_image:
        return lambda x: x.flatten(1), "the scaled columns"
    if not has_classes(run):
        return lambda x: x.flatten(1), "pixels, because there are no labels to learn features from"
    judge = judge or classifier_of(run)
    right = f" (test accuracy {judge.accuracy:.1%})" if judge.n_test else ""
    return judge.features, f"the last hidden layer of a classifier trained on the real images{right}"


def has_classes(run: RunFolder) -> bool:
    """Whether the training data has labels of at least two classes. Raises: DataError if it cannot be read."""
    labels = run.prepared.splits.train.labels
    return labels is not None and len(np.unique(labels[labels >= 0])) > 1


class Judges:
    """One classifier for all runs on the same data: that of the first run, so that the others need not train one."""

    def __init__(self) -> None:
        self._kept: dict[str, Classifier] = {}

    def of(self, run: RunFolder) -> Classifier | None:
        """The classifier for a run; None if precision and recall need none. Raises: DataError for unreadable data."""
        preprocess, data = run.model.preprocess, run.record.get("data")
        if not preprocess.is_image or not has_classes(run):
            return None
        key = repr((data or str(run.path), preprocess))  # old runs have no such record
        if key not in self._kept:
            self._kept[key] = classifier_of(run)
        return self._kept[key]


def check_copies(new: Tensor, train: Tensor, test: Tensor) -> CopyCheck:
    """The nearest training sample of each new sample, compared with those of test samples; all (N, *shape)."""
    per_value = np.sqrt(train[0].numel())
    ours, theirs = nearest(new.numpy(), train.numpy(), 1), nearest(test.numpy(), train.numpy(), 1)
    distances, usual = ours.distances[:, 0] / per_value, theirs.distances[:, 0] / per_value
    limit = float(np.sort(usual)[rank_of(len(usual)) - 1])
    n_near = int((distances < limit).sum())
    return CopyCheck(ours.rows[:, 0], distances, limit, float(np.median(usual)), len(usual), n_near)


def rank_of(n_test: int) -> int:
    """The rank of the test distance used as the limit: the 1 % quantile, or the smallest if there are few samples."""
    return max(1, round(NEAR * n_test))


def training_rows_of(prepared: Prepared, of: str | None) -> np.ndarray:
    """The training rows that `CopyCheck.rows` are indices into."""
    return _rows(prepared, "train", of)


def _rows(prepared: Prepared, role: str, of: str | None) -> np.ndarray:
    samples = getattr(prepared.splits, role)
    rows = np.arange(len(samples))
    if of is not None and samples.labels is not None:
        rows = rows[samples.labels == samples.classes.index(of)]
    most = max(2, BASELINE_VALUES // prepared.preprocess.size)
    return rows[:: -(-len(rows) // most) or 1]


def _of_class(prepared: Prepared, role: str, of: str | None) -> Tensor:
    samples = getattr(prepared.splits, role)
    return prepared.x(samples.take(_rows(prepared, role, of)))


__all__ = ["CopyCheck", "Judges", "Resemblance", "check_copies", "resemblance"]

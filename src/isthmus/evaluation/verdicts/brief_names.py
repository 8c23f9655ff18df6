"""Short texts for verdicts with level warn or fail, for sentences and lists that summarize a run."""

from __future__ import annotations

from collections.abc import Sequence

BRIEF = {
    "cost-never-fell": "it learned nothing",
    "beats-mean": "no better than the mean",
    "beats-pca": "no better than PCA",
    "denoiser-beats-filter": "no better than a simple filter",
    "structure-removed": "it may remove detail",
    "nothing-to-learn": "nothing to learn",
    "too-little-data": "too little data",
    "value-range": "much of the value range unused",
    "extreme-values": "a few extreme values",
    "classes": "classes with few samples",
    "test-unlike-training": "test data unlike the training data",
    "one-test-sample": "one test sample outweighs all others",
    "few-test-samples": "a few test samples outweigh all others",
    "code-size": "the code holds too little",
    "learning-rate": "unusual learning rate",
    "penalty-weight": "penalty weight too high",
    "fixed-variance": "the noise scale is fixed",
    "exploded-kl": "the code is far from its prior",
    "explains-little": "it explains little of the data",
    "overfitting": "overfitting",
    "stopped-too-early": "trained briefly",
    "dead-units": "unused units",
    "saturated-units": "saturated units",
    "posterior-collapse": "posterior collapse",
    "log-variance-held": "variances at their limits",
    "dead-codes": "unused codewords",
    "targets-out-of-range": "values out of range",
    "train-test-overlap": "test samples in the training data",
}


def named_text(id: str, level: str, text: str) -> str:
    """The text of a verdict, after its name unless it passed: other texts refer to this name."""
    return text if level == "pass" else f"{id}: {text}"


def in_brief(ids: Sequence[str]) -> str:
    """Short texts for verdicts, by id.

    >>> in_brief(["dead-units", "overfitting"])
    'unused units, overfitting'
    """
    return ", ".join(BRIEF.get(name, name) for name in ids)

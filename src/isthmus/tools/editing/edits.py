"""`isthmus edit`: adds features to samples or removes them, writes files, strips and a matrix, and measures success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.data.batching.input_conversion import Carrier
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.samples import Samples
from isthmus.errors import UsageError
from isthmus.evaluation.figures import figures
from isthmus.evaluation.figures import strips as filmstrips
from isthmus.randomness import seed_of
from isthmus.runs.folder import RunFolder
from isthmus.tools.editing.directions import (
    METHOD,
    OTHERS,
    feature_of,
    is_time,
    numbers,
    of_classes,
    refuse_editing,
    tellable,
)
from isthmus.tools.editing.features import Feature
from isthmus.tools.editing.levels import levels_of, turned
from isthmus.tools.editing.present_features import have_already, sentence
from isthmus.tools.inference.picking import parted, pick
from isthmus.tools.inference.sample_writing import write_samples
from isthmus.tools.inference.written import TABLES, keep_inputs
from isthmus.tools.sampling.classifier import classifier_of
from isthmus.tools.sampling.made import Made, visible
from isthmus.wording import span

STRENGTHS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
STRIPS = 8  # samples in a picture of strips: as many as fit on one page
SHORT = 0.5  # of the wanted change: if less is reached, the reason is given
MOST_CLASSES = 12  # in a matrix of edits: more pictures would be too small to see
JUDGED = 100  # test images per pair of classes: enough to know a share to 5 in 100


@dataclass(frozen=True)
class Edit:
    """Signed features that change a code together, z + strength (sum of signed steps); `keeps`: others are kept."""

    parts: tuple[tuple[float, Feature], ...]
    keeps: bool = False

    @property
    def words(self) -> str:
        return ", ".join(f"{'+' if sign > 0 else '-'} {f.name} ({f.unit})" for sign, f in self.parts)

    def apply(self, z: np.ndarray, strength: float = 1.0) -> np.ndarray:
        """Codes (N, Z) float32 after the edit."""
        step = sum((sign * feature.step(z) for sign, feature in self.parts), np.zeros(z.shape))
        return (z + strength * step).astype(np.float32)


def edit_of(
    run: RunFolder, add: Sequence[str] = (), remove: Sequence[str] = (), keep: Sequence[str] = (), method: str = METHOD
) -> Edit:
    """The edit that adds and removes features by name, and does not change the measures of those in `keep`.

    Added and removed classes are paired in the order in which they are named: a 1 becomes a 7. A single class is
    compared with all the others.

    Raises: UsageError for unknown names, and if nothing is named; like `directions.feature_of`.
    """
    refuse_editing(run)
    if not add and not remove:
        raise UsageError("USAGE-FEATURE", "no feature to add or remove was given.", fix="name one: --add NAME")
    classes = run.latent.classes
    to, away = ([name for name in names if name in classes] for names in (add, remove))
    pairs = [
        (to[i] if i < len(to) else None, away[i] if i < len(away) else None) for i in range(max(len(to), len(away)))
    ]
    parts = [(1.0, of_classes(run.latent, a, b, method)) for a, b in pairs]
    for sign, names in ((1.0, add), (-1.0, remove)):
        parts += [(sign, feature_of(run, name, method)) for name in names if name not in classes]
    kept = [feature_of(run, name, method) for name in keep]
    return Edit(tuple((sign, feature.keeping(kept, run.latent.covariance)) for sign, feature in parts), bool(kept))


def edited(
    run: RunFolder, x: Any, add: Sequence[str], remove: Sequence[str], keep: Sequence[str], *, strength: float = 1.0
) -> Any:
    """Raw samples x, of any type that `Model.encode` takes, with features added and removed: (N, *shape), same type.

    Raises: like `edit_of` and `Model.encode`.
    """
    found, carrier = edit_of(run, add, remove, keep), Carrier(x, run.model.preprocess)
    z = found.apply(run.coder.encode(carrier.raw.cpu().numpy()), strength)
    if carrier.frame is not None and not run.model.preprocess.is_image:  # keeps the column types
        return carrier.given_back(torch.from_numpy(np.asarray(run.coder.decode(z))))
    return run.coder.decode(carrier.in_kind(torch.from_numpy(z), [f"z{i}" for i in range(z.shape[1])]))


def edit(
    run: RunFolder, source: str, out: str | Path, edit: Edit, *, strength: float = 1.0, strip: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Made:  # fmt: skip
    """Writes the edited samples of `source` (as for `picking.pick`) to `out`; `strip` is a picture of strengths -3 to
    3. Samples that are known to have the wanted features already stay unchanged.

    Raises: UsageError for an `out` that would replace the input, or an unsuitable `strip`; like `picking.pick`.
    """
    for target in (out, *([strip] if strip else [])):
        keep_inputs(run, parted(source)[0], target)
    if strip is not None:
        refuse_picture(run, strip)
    samples = pick(run, source, settings)
    z = run.coder.encode(samples.x)
    edited, known = np.array(run.coder.decode(edit.apply(z, strength))), levels_of(run)
    alone = have_already(samples, edit.parts, known) if strength > 0 else np.zeros(len(samples), bool)
    edited[alone] = samples.x[alone]
    kept, about_labels = _relabeled(samples, edit)
    written = write_samples(run, kept, edited, Path(out), Path(source))
    said = [*written.said, f"strength {strength:g}: {edit.words}"]
    said += [sentence(int(alone.sum()), len(alone))] if alone.any() else []
    moved = _moved(samples, run.coder.decode(z), edited, edit, strength, run.model.preprocess)
    said += [_reached(found, is_time=is_time(samples, found["name"]), keeps=edit.keeps) for found in moved]
    levels = [known.get(str(feature.evidence.get("level"))) for _, feature in edit.parts]
    said += [turned(level, run.coder.decode(z), edited) for level in levels if level is not None]
    said += about_labels if Path(out).suffix in TABLES else []
    if strip is not None:
        names = [samples.id_of(i) for i in range(min(STRIPS, len(samples)))]
        figures.save(strips(run, samples.x[:STRIPS], z[:STRIPS], edit, names), strip)
        said.append(f"strip: {strip}")
    features = [{"sign": sign, "name": f.name, "method": f.method, "unit": f.unit} for sign, f in edit.parts]
    about = {"strength": strength, "features": features, "moved": moved}
    return Made(written.path, written.n, tuple(said), about)


def _moved(
    samples: Samples, before: Any, after: Any, edit: Edit, strength: float, preprocess: Preprocess
) -> list[dict[str, Any]]:
    """The wanted and the average actual change of each column or measure, compared with the reconstructions."""
    asked: dict[str, float] = {}
    for sign, feature in edit.parts:
        if feature.kind == "numbers" and "of" in feature.evidence:  # features of old runs do not name their column
            name = str(feature.evidence["of"])
            asked[name] = asked.get(name, 0.0) + sign * strength * float(feature.evidence["sd"])
    found = []
    for name, wanted in asked.items():
        sides = [replace(samples, x=np.asarray(x)) for x in (after, before)]
        ways = [numbers(name, side, preprocess).astype(np.float64) for side in sides]
        difference = ways[0] - ways[1]
        known = difference[np.isfinite(difference)]
        if len(known):
            found.append({"name": name, "asked": wanted, "reached": float(known.mean())})
    return found


def _reached(found: Mapping[str, Any], *, is_time: bool = False, keeps: bool = False) -> str:
    asked, reached = found["asked"], found["reached"]
    words = [span(value) if is_time else f"{value:+.3g}" for value in (asked, reached)]
    sentence = f"{found['name']}: wanted {words[0]}, reached {words[1]} on average"
    far = reached * asked < SHORT * asked**2
    about = f"about {found['name']}" + ", apart from what is kept," * keeps
    return f"{sentence}; the code holds too little information {about} for more" if far else sentence


def _relabeled(samples: Samples, edit: Edit) -> tuple[Samples, list[str]]:
    """The samples, without labels if the edit changes the class, and notes on the label column of a table."""
    if samples.labels is None or samples.label_column is None:
        return samples, []
    if any(feature.kind == "classes" for _, feature in edit.parts):
        said = f'the column "{samples.label_column}" is left out: the original labels no longer apply'
        return replace(samples, labels=None), [said]
    return samples, [f'the column "{samples.label_column}" holds the original labels']


def refuse_picture(
    run: RunFolder, out: str | Path, instead: str = "leave out --strip: -o holds the edited rows"
) -> None:
    """Raises: UsageError unless `out` is a .png file and the run is on images; `instead` is the fix for tables."""
    if not run.model.preprocess.is_image:
        message = f"{Path(out).name} can be drawn only for runs on images; {run.path} was trained on a table."
        raise UsageError("USAGE-OUT", message, fix=instead)
    if Path(out).suffix != ".png":
        raise UsageError("USAGE-OUT", f"{out} is not a .png file; pictures must be.", fix="name a .png file")


def strips(run: RunFolder, x: np.ndarray, z: np.ndarray, edit: Edit, names: Sequence[str]) -> Any:
    """One row per sample: the original, and edits with strengths from -3 to 3."""
    ways = [run.coder.decode(edit.apply(z, strength)) for strength in STRENGTHS]
    frames = np.stack([visible(run, way) for way in ways], axis=1)
    return filmstrips.edited(visible(run, x), frames, STRENGTHS, names[: len(x)])


def directions(run: RunFolder, base: np.ndarray, ways: Sequence[np.ndarray], names: Sequence[str]) -> Any:
    """One row per direction: the sample that it starts from, and edits with strengths from -3 to 3."""
    frames = np.stack([visible(run, way) for way in ways])
    given = np.repeat(visible(run, base), len(names), axis=0)
    return filmstrips.edited(given, frames, STRENGTHS, names)


def matrix(run: RunFolder, classes: Sequence[str], method: str = METHOD) -> Any:
    """A picture: a test image of each of the first 12 `classes` (rows), turned into each of them (columns)."""
    samples, classes = run.prepared.splits.test, classes[:MOST_CLASSES]
    rows = [typical(run, samples, name) for name in classes]
    z = run.coder.encode(samples.x[rows])
    frames = []
    for i, away in enumerate(classes):
        edits = [
            z[i] if to == away else edit_of(run, [to], [away], method=method).apply(z[i : i + 1])[0] for to in classes
        ]
        frames.append(visible(run, run.coder.decode(np.stack(edits))))
    return filmstrips.turned(visible(run, samples.x[rows]), np.stack(frames), classes)


def typical(run: RunFolder, samples: Samples, name: str) -> int:
    """The row of the sample whose code is nearest to the mean of its class. Raises: UsageError if there is none."""
    if samples.labels is None or name not in samples.classes:
        raise UsageError("USAGE-FEATURE", f"{samples.name} has no class {name!r}.", fix="use data with labels")
    rows = np.flatnonzero(samples.labels == samples.classes.index(name))
    if not len(rows):
        message = f"{samples.name} has no samples of class {name!r}."
        raise UsageError("USAGE-FEATURE", message, fix="use data that has some")
    k = run.latent.classes.index(name)
    z = run.coder.encode(samples.x[rows])
    return int(rows[np.square(z - run.latent.class_means[k]).sum(1).argmin()])


@dataclass(frozen=True)
class Success:
    """The result of turning the test images of one class into another.

    `rate`: share that a classifier, trained on real images, assigns to the target class. `identity`: root mean square
    distance between edited images and their originals, divided by that between originals and random images of the
    target class; below 1, an edited image is closer to its original than a random target is.
    """

    away: str
    to: str
    n: int
    rate: float
    identity: float


def judge_pairs(run: RunFolder, pairs: Sequence[tuple[str, str]], method: str = METHOD) -> list[Success]:
    """Each pair (from, to) on at most 100 test images, which were not used to learn the features.

    Raises: DataError if the run's data cannot be read, or has fewer than two classes.
    """
    classifier, samples = classifier_of(run), run.prepared.splits.test
    x = run.prepared.x(samples)
    rng = np.random.default_rng(seed_of(run.config.training.seed, "edits"))
    assert samples.labels is not None  # otherwise there is no classifier
    of = {name: np.flatnonzero(samples.labels == k) for k, name in enumerate(samples.classes)}
    rows = {name: rng.permutation(found)[:JUDGED] for name, found in of.items()}
    z = {name: run.coder.encode(samples.x[rows[name]]) for name in {away for away, _ in pairs}}
    found = []
    for away, to in pairs:
        edited = run.coder.decode(edit_of(run, [to], [away], method=method).apply(z[away]))
        x_edited = run.model.preprocess.to_x(torch.from_numpy(np.asarray(edited)))
        right = classifier.predict(x_edited) == classifier.classes.index(to)
        originals, targets = x[rows[away]], x[rng.choice(of[to], len(rows[away]))]
        kept = _rms(x_edited - originals) / _rms(targets - originals)
        found.append(Success(away, to, len(right), float(right.double().mean()), kept))
    return found


def testable(run: RunFolder) -> list[str]:
    """The classes with enough codes to learn a feature, and with a test sample."""
    test = run.prepared.splits.test
    there = set() if test.labels is None else {test.classes[k] for k in np.unique(test.labels) if k >= 0}
    return [name for name in tellable(run.latent) if name in there]


def all_pairs(run: RunFolder) -> list[tuple[str, str]]:
    """All ordered pairs (from, to) of the testable classes."""
    classes = testable(run)
    return [(a, b) for a in classes for b in classes if a != b]


def _rms(difference: torch.Tensor) -> float:
    return float(difference.double().square().mean().sqrt())


__all__ = [
    "OTHERS",
    "Edit",
    "Success",
    "all_pairs",
    "directions",
    "edit",
    "edit_of",
    "judge_pairs",
    "matrix",
    "refuse_picture",
    "strips",
    "testable",
]

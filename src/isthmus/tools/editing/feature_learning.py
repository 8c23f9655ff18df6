"""`isthmus feature`: learns features, and measures on held-out samples how well they work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import r2_score, roc_auc_score

from isthmus.data.batching.split import apart
from isthmus.data.tables.writing import write_table
from isthmus.errors import DataError, UsageError
from isthmus.evaluation.figures import figures
from isthmus.randomness import seed_of
from isthmus.runs.folder import RunFolder
from isthmus.tools.editing import directions
from isthmus.tools.editing import edits as editing
from isthmus.tools.editing.directions import METHOD
from isthmus.tools.editing.features import Feature, Group, between
from isthmus.tools.editing.levels import levels_of
from isthmus.tools.inference.picking import pick
from isthmus.tools.inference.written import TABLES, keep_inputs
from isthmus.tools.sampling.traversal import usual_code
from isthmus.wording import shell_word

HELD_OUT = 0.25  # share of two sets of samples used to measure the separation
FEWEST_HELD = 4  # with fewer held-out samples in a group, no separation is reported; of a number, no R^2


def learn(
    run: RunFolder, name: str, source: Mapping[str, str | None], *, method: str = METHOD, keep: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> Feature:  # fmt: skip
    """Learns a feature from "class" (and "against"), "with" (and "without"), "column", or "measure", and saves it.

    Raises: UsageError unless exactly one source is named, and for a name that is a class; DataError for too few
    samples.
    """
    directions.refuse_editing(run)
    named = [key for key in ("class", "with", "column", "measure") if source.get(key)]
    if bool(source.get("with")) != bool(source.get("without")):
        raise UsageError("USAGE-FEATURE", "--with and --without must be given together.", fix="give both")
    if source.get("against") and not source.get("class"):
        message = "--against names the class without the feature, but --class is not given."
        raise UsageError("USAGE-FEATURE", message, fix="name the class with the feature with --class")
    if len(named) != 1:
        message = f"a feature is learned from exactly one source; {len(named)} are given."
        raise UsageError("USAGE-FEATURE", message, fix="give --class, --with and --without, --column or --measure")
    if source.get("with") and source["with"] == source["without"]:
        message = f"--with and --without name the same samples, {source['with']}."
        raise UsageError("USAGE-FEATURE", message, fix="pass samples that lack the feature to --without")
    match named[0]:
        case "class":
            feature = directions.of_classes(run.latent, source["class"], source.get("against"), method)
            evidence = _of_classes(run, feature, str(source["class"]), source.get("against"))
        case "with":
            feature, evidence = _of_sets(run, str(source["with"]), str(source["without"]), method, settings)
        case kind:
            wanted = str(source[kind])
            if (kind == "measure") != run.model.preprocess.is_image:
                problem = {"measure": "a table has no pixels to measure", "column": "images have no columns"}[kind]
                raise UsageError("USAGE-FEATURE", f"{problem}.", fix="use --column for tables, --measure for images")
            feature = directions.of_measure(run, wanted)
            evidence = _of_numbers(run, feature, wanted)
    kept = [directions.feature_of(run, other, method) for other in keep]
    feature = feature.keeping(kept, run.latent.covariance)
    feature = replace(feature, name=name, evidence={**feature.evidence, **evidence, "keeps": list(keep)})
    directions.keep(run, feature)
    return feature


def _of_sets(
    run: RunFolder, with_: str, without: str, method: str, settings: Mapping[str, Any] | None
) -> tuple[Feature, dict[str, Any]]:
    """Holds out a quarter of each set to measure the separation, if there are enough; then learns from all samples."""
    codes, n_held = {}, []
    for name in (without, with_):
        samples = pick(run, name, settings)
        generator = np.random.default_rng(seed_of(run.config.training.seed, "sets", name))
        held, rest = apart(samples, int(HELD_OUT * len(samples)), generator)
        codes[name] = run.coder.encode(samples.x)[np.concatenate([held, rest])]
        n_held.append(len(held))
    absent, present = (Group.of(name, z) for name, z in codes.items())
    feature = replace(between(absent, present, method), kind="sets")
    if min(n_held) < FEWEST_HELD:
        return feature, {}
    absent, present = (Group.of(name, z[n:]) for (name, z), n in zip(codes.items(), n_held, strict=True))
    readout = between(absent, present, "means").readout
    scores = np.concatenate([z[:n] @ readout for z, n in zip(codes.values(), n_held, strict=True)])
    return feature, {"auroc": float(roc_auc_score(np.repeat([0, 1], n_held), scores)), "n_held_out": sum(n_held)}


def _of_classes(run: RunFolder, feature: Feature, to: str, away: str | None) -> dict[str, Any]:
    """How well the readout separates the classes of the test data, and how often edits succeed."""
    try:
        test = run.prepared.splits.test
        if test.labels is None:
            return {}
        inside = test.labels == test.classes.index(to)
        outside = (test.labels >= 0) & ~inside if away is None else test.labels == test.classes.index(away)
        rows = np.flatnonzero(inside | outside)
        if min(np.count_nonzero(inside), np.count_nonzero(outside)) < FEWEST_HELD:
            return {}
        scores = run.coder.encode(test.x[rows]) @ feature.readout
        found: dict[str, Any] = {"auroc": float(roc_auc_score(inside[rows], scores)), "n_held_out": len(rows)}
        if away is not None and run.model.preprocess.is_image:
            success = editing.judge_pairs(run, [(away, to)], feature.method)[0]
            found |= {"success": success.rate, "identity": success.identity}
        return found
    except DataError:  # without the data, the feature can still be learned from latent/
        return {}


def _of_numbers(run: RunFolder, feature: Feature, name: str) -> dict[str, Any]:
    """R^2 of the readout on test samples, scaled on the training codes, unless they are too few or all equal; and how
    much an edit moves the measure.
    """
    test = run.prepared.splits.test
    preprocess = run.model.preprocess
    y, z = directions.numbers(name, test, preprocess), run.coder.encode(test.x)
    there = np.isfinite(y)
    predicted = feature.evidence["mean"] + (z[there] - feature.origin) @ np.asarray(feature.readout)
    after, before = (
        directions.numbers(name, replace(test, x=np.asarray(run.coder.decode(codes))), preprocess)
        for codes in (feature.apply(z).astype(np.float32), z)
    )
    moved = float(np.nanmean(after - before) / feature.evidence["sd"])
    found = {"n_held_out": int(there.sum()), "moved": moved}
    if there.sum() < FEWEST_HELD or np.ptp(y[there]) == 0:
        return found
    return found | {"r2": float(r2_score(y[there], predicted))}


def words(feature: Feature) -> str:
    """The feature and its evidence in one line."""
    sentences = {
        "auroc": "AUROC {:.3f} on held-out samples",
        "r2": "R2 {:.2f} on test samples",
        "success": "{:.0%} of edited test images are classified as the target",
        "identity": "distance from the original {:.2f} times that of a random target image",
        "moved": "strength 1 moves the measure by {:.2f} standard deviations",
        "share": "{:.0%} of the codes' variance",
    }
    known = [
        text.format(feature.evidence[key]) for key, text in sentences.items() if feature.evidence.get(key) is not None
    ]
    return "; ".join([f"strength 1 is {feature.unit} ({feature.method})", *known])


def about(feature: Feature) -> dict[str, Any]:
    """The feature as plain values, for `--json`."""
    keys = ("name", "kind", "method", "unit")
    return {key: getattr(feature, key) for key in keys} | {"evidence": dict(feature.evidence)}


def list_features(run: RunFolder) -> list[dict[str, str]]:
    """All known features: learned features, classes, measures of pictures, columns of a table."""
    directions.refuse_editing(run)
    preprocess = run.model.preprocess
    rows = [{"name": f.name, "told": words(f)} for f in directions.learned(run)]
    rows += [{"name": name, "told": "a class of the data"} for name in directions.tellable(run.latent)]
    if preprocess.is_image:
        return rows + [{"name": name, "told": "measured on the pixels"} for name in directions.measures_of(preprocess)]
    if preprocess.schema is None:
        return rows + [{"name": name, "told": "a column"} for name in preprocess.columns or ()]
    known = {row["name"] for row in rows}
    names = [name for name in directions.known_names(run) if name not in known]
    levels = levels_of(run)
    return rows + [{"name": name, "told": "a value of a column" if name in levels else "a column"} for name in names]


def about_out_of_date(run: RunFolder) -> list[str]:
    """A note on the features that `list_features` leaves out; empty if there are none."""
    old = directions.out_of_date(run)
    if not old:
        return []
    names, them = ", ".join(old), "them" if len(old) > 1 else "it"
    how = f"`isthmus feature learn {shell_word(run.path)} NAME …`"
    return [f"left out: {names}, learned before {run.path} was trained further; {how} learns {them} again"]


def usual_out(run: RunFolder) -> Path:
    """The default output of `discover`."""
    return Path("directions.png" if run.model.preprocess.is_image else "directions.csv")


def discover(
    run: RunFolder, n: int, out: str | Path, *, method: str = "principal", save: bool = False
) -> list[Feature]:
    """Directions found without labels, shown by their effect on a typical code; with `save`, they are saved in the run.

    `out`: a .png of strips; for a run on a table, a table with one row per direction: what strength 1 adds to each
    column.

    Raises: UsageError for another method, or an unsuitable `out`.
    """
    directions.refuse_editing(run)
    keep_inputs(run, run.path, out)
    if run.model.preprocess.is_image or Path(out).suffix not in TABLES:
        editing.refuse_picture(run, out, "write a table instead: -o directions.csv")
    found = directions.discovered(run.latent, n, method, run.config.training.seed)
    z = usual_code(run.latent)[None].astype(np.float32)
    edits = [editing.Edit(((1.0, feature),)) for feature in found]
    if run.model.preprocess.is_image:
        ways = [run.coder.decode(np.concatenate([e.apply(z, s) for s in editing.STRENGTHS])) for e in edits]
        figures.save(editing.directions(run, run.coder.decode(z), ways, [f.name for f in found]), out)
    else:
        moved = run.coder.decode(np.concatenate([e.apply(z) for e in edits])) - run.coder.decode(z)
        write_table(Path(out), _changes(run, found, moved))
    if save:
        for feature in found:
            directions.keep(run, feature)
    return found


def _changes(run: RunFolder, found: Sequence[Feature], moved: np.ndarray) -> dict[str, Any]:
    """One row per direction: its name, its share of the codes' variance, and the change (n, D) of each column."""
    names = run.model.preprocess.columns or tuple(f"x{i}" for i in range(moved.shape[1]))
    about = {"direction": [f.name for f in found], "share": [f.evidence["share"] for f in found]}
    return about | {name if name not in about else f"{name} (column)": moved[:, i] for i, name in enumerate(names)}


def matrix(run: RunFolder, out: str | Path, *, method: str = METHOD) -> dict[str, Any]:
    """The matrix of edits as a picture, and the success rate of every pair of classes.

    Raises: UsageError for a run with fewer than two classes; DataError if its data cannot be read.
    """
    directions.refuse_editing(run)
    keep_inputs(run, run.path, out)
    editing.refuse_picture(
        run, out, "turn rows of class A into B: `isthmus edit RUN TABLE --remove A --add B -o b.csv`"
    )
    classes = editing.testable(run)
    if len(classes) < 2:
        message = "a matrix needs at least two classes, each with two training samples and one test sample."
        fix = "learn a feature from two sets of samples instead, with `isthmus feature learn`"
        raise UsageError("USAGE-FEATURE", message, fix=fix)
    pairs = editing.judge_pairs(run, editing.all_pairs(run), method)
    figures.save(editing.matrix(run, classes, method), out)
    rate, identity = (float(np.mean([getattr(p, key) for p in pairs])) for key in ("rate", "identity"))
    worst = min(pairs, key=lambda pair: pair.rate)
    sentence = (
        f"a classifier assigns {rate:.1%} of the edited test images to the target class, over {len(pairs)} pairs "
        f"(lowest: {worst.away} to {worst.to}, {worst.rate:.0%}); their distance from the originals is "
        f"{identity:.2f} times that of a random image of the target class"
    )
    if len(classes) > editing.MOST_CLASSES:
        sentence += f"; the picture shows the first {editing.MOST_CLASSES} of {len(classes)} classes"
    return {
        "method": method, "rate": rate, "identity": identity, "told": sentence, "out": str(out),
        "pairs": [vars(pair) for pair in pairs],
    }  # fmt: skip


__all__ = ["about", "about_out_of_date", "discover", "learn", "list_features", "matrix", "usual_out", "words"]

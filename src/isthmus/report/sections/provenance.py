"""How the run was made: the drawing of the network, settings, versions, hardware, and the command to repeat it."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

from isthmus.config import Config
from isthmus.errors import IsthmusError
from isthmus.recipes import resolve
from isthmus.report.markup import Html, element, html, legible, numeral
from isthmus.report.run_data import RunData, Section
from isthmus.system import regular
from isthmus.wording import counted, shell_word

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {
    "svg",
    "g",
    "rect",
    "path",
    "polygon",
    "line",
    "circle",
    "text",
    "tspan",
    "title",
    "desc",
}  # the elements that drawing.py uses
PLACED = {"class", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "rx", "d", "points", "transform", "font-size",
          "font-weight", "text-anchor", "viewBox", "cx", "cy", "r", "dx", "dy", "fill-opacity"}  # fmt: skip
LARGEST = 1_000_000  # bytes of a drawing; ours have 5,000


def architecture(run_data: RunData) -> Section | None:
    """The drawing in the run folder, if it can be read."""
    drawing = read_drawing(run_data)
    if drawing is None:
        return None
    values = math.prod(run_data.metrics["data"]["shape"])
    said = "Each bar is a layer; the higher it is, the more values the layer has. "
    said += f"The network has {run_data.metrics['parameters']:,} weights. "
    if run_data.metrics.get("z_size"):
        said += _isthmus(values, run_data.metrics["z_size"], run_data.sample)
    return Section("architecture", "The network", "architecture.html", said, {"drawing": drawing})


def _isthmus(values: int, z_size: int, sample: str) -> str:
    said = f"The orange bar is the bottleneck, the isthmus: {values:,} values have to pass through {z_size:,}"
    if z_size >= values:
        return f"{said}, which does not force any compression: all values could pass unchanged."
    return f"{said}, {values / z_size:.3g} times fewer, so the network must find what the {sample}s have in common."


def read_drawing(run_data: RunData) -> Html | None:
    """`architecture.svg`, reduced to shapes and texts: a run folder may come from an untrusted source."""
    path = run_data.path / "architecture.svg"
    try:
        root = ET.fromstring(regular.read_bytes(path, LARGEST).decode("utf-8"))
        kept = _shapes(root)
    except (OSError, ValueError, ET.ParseError, RecursionError):
        return None
    if kept is None or kept.tag != "svg" or "viewBox" not in kept.attrib:
        return None
    for name in ("width", "height"):
        kept.attrib.pop(name, None)
    about = root.findtext(f"{SVG}desc") or "the network's layers"
    kept.set("role", "img")
    kept.set("aria-label", f"Drawing of the network: {about}")
    return html(kept)


def _shapes(node: ET.Element) -> ET.Element | None:
    name = node.tag.removeprefix(SVG) if isinstance(node.tag, str) else ""
    if name not in DRAWN or "paper" in node.get("class", ""):
        return None
    made = element(name, {k: v for k, v in node.attrib.items() if k in PLACED}, node.text or "")
    for child in node:
        kept = _shapes(child)
        if kept is not None and not (name == "svg" and kept.tag in ("title", "desc")):
            kept.tail = legible(child.tail or "") if name in ("text", "tspan") else None
            made.append(kept)
    return made


def settings(run_data: RunData) -> Section:
    """All settings, those that differ from the recipe first; versions, hardware, seed, times, and the command."""
    record, config = run_data.record, run_data.config
    changed, same = differing(config)
    where = run_data.path / "config.toml"
    from_file = f"isthmus train --config {shell_word(where)}"
    own = record.get("module")
    content = {
        "command": record.get("command"),
        "again": None if own or config.data.source == "data in memory" else from_file,
        "own": own,
        "changed": changed,
        "same": same,
        "recipe": config.recipe,
        "facts": _facts(run_data),
    }
    read = (
        f"The recipe {config.recipe}, with {counted(len(changed), 'setting')} given by the user or chosen for the data "
        f"and the machine. With the same seed ({config.training.seed}), data, versions and number of threads, the "
        "command gives the same weights again."
    )
    return Section("settings", "How to repeat it", "settings.html", read, content)


def differing(config: Config) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(settings that differ from the recipe, all others), as pairs of address and value."""
    ours = flat(config)
    try:
        recipe = flat(resolve({"recipe": config.recipe}))
    except IsthmusError:  # a recipe of another version
        recipe = {}
    changed = [(k, v) for k, v in ours.items() if recipe.get(k) != v]
    return changed, [(k, v) for k, v in ours.items() if recipe.get(k) == v]


def flat(config: Config) -> dict[str, str]:
    """`{"model.z_size": "32", …}`."""
    nested = config.as_dict()
    return {f"{section}.{key}": _text(value) for section, values in nested.items() if isinstance(values, dict)
            for key, value in values.items()}  # fmt: skip


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value) if value not in ({}, "") else "none"


ENDINGS = {
    None: "not yet",
    "budget": "after all planned steps",
    "patience": "because the validation cost stopped falling",
    "request": "by hand, before all planned steps",
    "interrupted": "by Ctrl-C or another signal",
    "diverged": "because the cost was not a finite number",
    "failed": "by an error",
}


def _facts(run_data: RunData) -> dict[str, list[tuple[str, object]]]:
    record, metrics = run_data.record, run_data.metrics
    rows: list[tuple[str, object]] = [
        ("run folder", str(run_data.path)),
        ("started", record.get("started")),
        ("training ended", ENDINGS.get(record.get("ended"), record.get("ended"))),
        ("epochs", numeral(metrics.get("epochs"))),
        ("seconds of training", numeral(metrics.get("seconds"))),
        (f"{run_data.sample}s per second", numeral(metrics.get("images_per_second"))),
        ("seed", record.get("seed")),
        ("deterministic", _text(record.get("deterministic"))),
        ("data, SHA-256", record.get("data_sha256")),
    ]
    groups = {
        "The run": rows,
        "Versions": (record.get("versions") or {}).items(),
        "Hardware": (record.get("hardware") or {}).items(),
    }
    return {title: [(str(k), v) for k, v in found if v is not None] for title, found in groups.items()}

"""Which sections a page has, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from isthmus.report.card import data
from isthmus.report.codes import code
from isthmus.report.columns import columns, worst_rows
from isthmus.report.folder import left_pictures
from isthmus.report.making import architecture, settings
from isthmus.report.material import Material, Section
from isthmus.report.noisy import denoising
from isthmus.report.opening import Opening, opening
from isthmus.report.sampling import imagined
from isthmus.report.showing import by_class, rivals, sanity
from isthmus.report.training import training

# The order of the page: what is it worth, what does it do, how did it come about.
ORDER: tuple[Callable[[Material], Section | None], ...] = (
    sanity, columns, left_pictures, training, rivals, denoising, by_class, worst_rows, code, imagined, data,
    architecture, settings,
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """All that the page of one run tells."""

    name: str
    kind: str
    opening: Opening
    sections: tuple[Section, ...]
    missing: tuple[str, ...]


def compose(material: Material) -> Report:
    """The page's sections, those that the material allows."""
    found = [section for make in ORDER if (section := make(material)) is not None]
    d = material.metrics["data"]
    kind = "denoising autoencoder" if material.noise else "autoencoder"
    about = f"{kind} on {d['name']}, recipe {material.config.recipe}"
    if material.metrics.get("z_size"):
        about += f", a code of {material.metrics['z_size']:,} numbers"
    return Report(material.name, about, opening(material), tuple(found), material.missing)

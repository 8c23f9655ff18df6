"""The sections of a page, and their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from isthmus.report.run_data import RunData, Section
from isthmus.report.sections.baselines_and_errors import by_class, rivals, sanity
from isthmus.report.sections.column_associations import column_associations
from isthmus.report.sections.column_errors import columns, worst_rows
from isthmus.report.sections.data_card import data
from isthmus.report.sections.denoising import denoising
from isthmus.report.sections.generated import imagined
from isthmus.report.sections.headline import Opening, opening
from isthmus.report.sections.latent_code import code
from isthmus.report.sections.learning_curve import training
from isthmus.report.sections.provenance import architecture, settings
from isthmus.report.sections.run_files import left_pictures
from isthmus.wording import counted

# The order of the page: how good the model is, what it does, how it was made.
ORDER: tuple[Callable[[RunData], Section | None], ...] = (
    sanity, columns, column_associations, left_pictures, training, rivals, denoising, by_class, worst_rows, code,
    imagined, data, architecture, settings,
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """The content of the page about one run."""

    name: str
    kind: str
    opening: Opening
    sections: tuple[Section, ...]
    missing: tuple[str, ...]


def compose(run_data: RunData) -> Report:
    """The sections of the page that are possible with this data."""
    found = [section for make in ORDER if (section := make(run_data)) is not None]
    d = run_data.metrics["data"]
    kind = "denoising autoencoder" if run_data.noise else "autoencoder"
    about = f"{kind} on {d['name']}, recipe {run_data.config.recipe}"
    if run_data.metrics.get("z_size"):
        about += f", a code of {counted(run_data.metrics['z_size'], 'number')}"
    return Report(run_data.name, about, opening(run_data), tuple(found), run_data.missing)

"""Pictures of the run folder, for a page without the data."""

from __future__ import annotations

from isthmus.report import tiles
from isthmus.report.run_data import RunData, Section

LEFT = (
    ("sanity.png", "Sanity check: test images, their codes, and their reconstructions"),
    ("denoising.png", "Noisy test images, their codes, the denoised images, and the clean images"),
    ("worst.png", "The ten test images with the largest error: original, reconstruction, difference"),
)


def left_pictures(run_data: RunData) -> Section | None:
    """The pictures drawn at the end of the run; only if its data or model is not available."""
    if run_data.passed is not None or not run_data.is_image:
        return None
    pictures = []
    for name, alt in LEFT:
        found = tiles.from_file(run_data.path / name)
        if found is not None:
            pictures.append({"uri": found[0], "width": found[1], "height": found[2], "alt": alt})
    if not pictures:
        return None
    mse = run_data.metrics["test"].get("mse")
    read = (
        "These pictures were drawn at the end of the run. Each column shows one test image: the input above, the "
        f"output below. The closer they are, the better. The mean squared error over all test images is {mse:.3g}."
    )
    return Section("sanity", "Sanity check", "pictures.html", read, {"pictures": pictures})

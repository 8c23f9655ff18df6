"""Pictures that the run left, for a page without the data."""

from __future__ import annotations

from isthmus.report import tiles
from isthmus.report.run_data import RunData, Section

LEFT = (
    ("sanity.png", "Sanity check: test images, their codes, and what the decoder makes of the codes"),
    ("denoising.png", "Noisy test images, their codes, what the network makes of them, and the clean images"),
    ("worst.png", "The ten test images with the largest error: original, reconstruction, difference"),
)


def left_pictures(run_data: RunData) -> Section | None:
    """What the run drew at its end; only where the data or the model is not at hand."""
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
        "These pictures were drawn when the run ended. In each column stands one test image: what went in above, what "
        f"came back below; the nearer, the better. Over all test images the mean squared error is {mse:.3g}."
    )
    return Section("sanity", "Sanity check", "pictures.html", read, {"pictures": pictures})

"""The picture of the strangest: what glows, and what does not."""

from __future__ import annotations

import numpy as np

from isthmus.evaluation.figures.anomaly_sheets import GLOW, overlaid, strangest


def test_usual_errors_leave_the_image_and_large_ones_are_red() -> None:
    x = np.full((1, 1, 2, 2), 0.4, np.float32)
    heat = np.array([[[[0.0, 2.0], [6.0, 60.0]]]])
    found = overlaid(x, heat)[0]
    np.testing.assert_allclose(found[0], np.full((2, 3), 0.3), rtol=1e-6)
    np.testing.assert_allclose(found[1], np.stack([GLOW, GLOW]), rtol=1e-6)


def test_the_channel_that_errs_most_counts() -> None:
    heat = np.zeros((1, 3, 1, 2))
    heat[0, 1, 0, 1] = 9
    found = overlaid(np.zeros((1, 3, 1, 2), np.float32), heat)[0, 0]
    np.testing.assert_allclose(found, np.stack([np.zeros(3), GLOW]), atol=1e-6)


def test_twenty_small_images_are_drawn_and_no_more() -> None:
    x = np.random.default_rng(0).random((25, 1, 28, 28)).astype(np.float32)
    drawn = [strangest(x[:n], x[:n], x[:n], [str(i) for i in range(n)], [0.5] * n, [True] * n) for n in (20, 25)]
    heights = [figure.get_size_inches()[1] for figure in drawn]
    assert heights[0] == heights[1]
    texts = {text.get_text() for text in drawn[1].axes[0].texts}
    assert {"19", "p 0.5000 !", "! outlier"} <= texts
    assert "20" not in texts

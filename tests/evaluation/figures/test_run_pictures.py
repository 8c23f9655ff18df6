from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from isthmus.data.samples import Samples
from isthmus.evaluation.figures.data_pictures import as_pictures, one_of_each


def test_what_was_made_of_images_is_cut_to_their_range_and_not_stretched() -> None:
    x, x_hat = torch.tensor([0.0, 0.5, 1.0]), torch.tensor([-0.3, 0.5, 1.2])
    assert as_pictures(x_hat, x).tolist() == [0.0, 0.5, 1.0]


def test_data_on_another_scale_is_brought_to_black_and_white_with_all_that_is_made_of_it() -> None:
    x, x_hat = torch.tensor([-2.0, 0.0, 2.0]), torch.tensor([-1.0, 1.0, 3.0])
    assert as_pictures(x).tolist() == [0.0, 0.5, 1.0]
    assert as_pictures(x_hat, x).tolist() == pytest.approx([0.25, 0.75, 1.0])


def test_patches_are_shown_of_every_image_that_they_were_cut_from() -> None:
    groups = np.repeat([7, 3, 5], [50, 20, 4])
    patches = Samples(np.zeros((74, 1, 2, 2), np.uint8), "patches", groups=groups)
    shown = groups[one_of_each(patches, 9)]
    assert [int((shown == k).sum()) for k in (7, 3, 5)] == [3, 3, 3]
    assert one_of_each(replace(patches, groups=None), 4) == [0, 1, 2, 3]

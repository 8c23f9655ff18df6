"""Named tensors in a `.safetensors` file, which contains only numbers and cannot run code."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes the tensors, from any device and with any memory layout.

    Raises: OSError for a full disk or a missing permission, which the library wraps in its own error.
    """
    # Copies, because safetensors refuses tensors that share memory, such as tied weights.
    flat = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    try:
        save_file(flat, path)
    except SafetensorError as error:
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from None

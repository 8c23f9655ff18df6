"""Text tables: aligned columns, numbers at the right, no wider than the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from isthmus.wording import printable

WIDEST = 100  # characters, if there is no terminal
NARROWEST = 40  # a name and a number; in a narrower terminal, lines wrap
GAP = "  "


def aligned(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """One line per row; the first row is the header. The columns `left` are left-aligned, all others right-aligned. A
    table that is wider than the terminal continues below, with its first column repeated.

    >>> aligned([["name", "MSE"], ["vae", "0.01"], ["b", "10.5"]])
    ['name   MSE', 'vae   0.01', 'b     10.5']
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    blocks, width, most = [[0]], widths[0], _room()
    for i in range(1, len(widths)):
        width += len(GAP) + widths[i]
        if width > most and len(blocks[-1]) > 1:
            blocks.append([0])
            width = widths[0] + len(GAP) + widths[i]
        blocks[-1].append(i)
    lines: list[str] = []
    for block in blocks:
        lines += [""] if lines else []
        lines += [_line(row, block, widths, left) for row in cells]
    return lines


def _room() -> int:
    """The width of the terminal in characters, or the value of COLUMNS."""
    return max(NARROWEST, shutil.get_terminal_size((WIDEST, 24)).columns)


def _line(row: Sequence[str], block: Sequence[int], widths: Sequence[int], left: Sequence[int]) -> str:
    cells = [row[i].ljust(widths[i]) if i in left else row[i].rjust(widths[i]) for i in block]
    return GAP.join(cells).rstrip()

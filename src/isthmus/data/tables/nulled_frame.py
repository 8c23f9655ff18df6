"""A frame in which the words of `--null-values` are null."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from isthmus.data.tables.findings import Findings
from isthmus.data.tables.frames import AbstractFrame


class NulledFrame(AbstractFrame):
    """Wraps another frame; cells that match `findings.nulls` are null."""

    def __init__(self, frame: AbstractFrame, findings: Findings) -> None:
        self._frame, self._findings = frame, findings
        self.names, self.types, self.n_rows = frame.names, frame.types, frame.n_rows

    @classmethod
    def of(cls, frame: AbstractFrame, findings: Findings) -> AbstractFrame:
        """The wrapped frame, or the frame itself if there are no such words."""
        return cls(frame, findings) if findings.nulls else frame

    def block(self, places: Sequence[int]) -> pl.DataFrame:
        return self._blanked(self._frame.block(places), places)

    def rows(self, places: Sequence[int], start: int, n: int) -> pl.DataFrame:
        return self._blanked(self._frame.rows(places, start, n), places)

    def _blanked(self, block: pl.DataFrame, places: Sequence[int]) -> pl.DataFrame:
        return self._findings.nulls.blanked(block, [self._findings.columns[i] for i in places])


__all__ = ["NulledFrame"]

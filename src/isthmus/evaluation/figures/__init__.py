"""Figures of a run: curves, contact sheets, maps, drawings of the network."""

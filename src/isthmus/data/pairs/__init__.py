"""Pairs of noisy and clean samples: matching them, joining them into one set, and measuring how they differ."""

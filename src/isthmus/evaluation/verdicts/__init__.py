"""Verdicts on a trained model: what is good, what is wrong, and what to try."""

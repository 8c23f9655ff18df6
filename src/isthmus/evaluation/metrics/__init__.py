"""Errors on test data, and the baselines that a model should beat."""

"""Errors on test data, and the baselines that are to be beaten."""

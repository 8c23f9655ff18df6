"""Noisy samples with their clean ones: which belongs to which, both as one set, and how they differ."""

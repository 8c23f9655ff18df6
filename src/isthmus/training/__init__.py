"""Training: from settings and data to trained weights."""

"""From settings and data to trained weights."""

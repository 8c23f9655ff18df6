"""What does not fit: scores, false-alarm rates and blame."""

"""`isthmus score`: scores, false-alarm rates and blame."""

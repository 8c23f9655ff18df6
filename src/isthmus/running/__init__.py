"""A run begun, gone on with, measured again and written down: `pipeline.py` is the door."""

"""Run folders: what a run is, how it is found, and what it keeps."""

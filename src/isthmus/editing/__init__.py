"""Features: directions in the code, learnt, kept, and added to or taken from samples."""

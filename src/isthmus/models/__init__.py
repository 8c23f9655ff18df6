"""Models: built from the five parts, saved, loaded, measured, and exported as graphs."""

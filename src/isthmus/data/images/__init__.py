"""Images: which files, how they are decoded, brought to one form, and written."""

"""`isthmus map`, `neighbors`, `duplicates`, `probe`: what the codes of a run know about its samples."""

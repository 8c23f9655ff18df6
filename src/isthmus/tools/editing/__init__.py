"""`isthmus edit` and `feature`: directions in the code, learned, kept, added and removed."""

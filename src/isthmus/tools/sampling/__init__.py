"""`isthmus sample`, `interpolate`, `traverse`: new samples, the ways between two, and how good they are."""

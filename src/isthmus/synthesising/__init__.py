"""New samples, the ways between two, and how good they are."""

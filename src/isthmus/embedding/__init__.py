"""Maps, neighbours, duplicates and probes of the codes."""

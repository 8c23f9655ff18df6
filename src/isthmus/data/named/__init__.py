"""Data sets that are known by name: the catalog, finding them, and downloading them."""

"""`isthmus serve`: a local server with a page to try a model, and an API; only its user has access."""

"""`isthmus serve`: one local server with a page to play with a model, and an API; nobody but its user gets in."""

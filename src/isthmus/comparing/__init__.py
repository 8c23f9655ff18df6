"""Several runs of one command, and the table and picture that rank them."""

"""What can be said about data before anybody trains on it."""

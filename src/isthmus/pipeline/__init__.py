"""The commands that train or measure, from beginning to end."""

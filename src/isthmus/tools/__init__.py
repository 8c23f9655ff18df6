"""What a trained run is for: each folder holds what the command of its word does."""

"""Plain words about a trained model: what is good, what is wrong, what to try."""

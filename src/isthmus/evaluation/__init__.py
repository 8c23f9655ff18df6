"""Whether a model is any good: numbers, verdicts in words, and pictures."""

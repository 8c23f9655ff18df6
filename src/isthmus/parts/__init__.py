"""The parts that a model is built from, each with a name."""

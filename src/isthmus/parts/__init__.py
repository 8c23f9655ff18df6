"""The parts that a model is put together from, one name each."""

"""The five parts put together, saved, loaded, counted, and written as graphs."""

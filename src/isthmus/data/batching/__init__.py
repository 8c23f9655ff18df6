"""From samples to batches: splitting into sets, fitting the preprocessing, one tensor on the device."""

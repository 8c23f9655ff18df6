"""From samples to batches: sets divided, preprocessing fitted, one tensor on the device."""

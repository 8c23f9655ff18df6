"""Time series: rows in order of time, whose windows are the samples."""

"""Series: rows in the order of time, of which windows are the samples."""

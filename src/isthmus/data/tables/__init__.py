"""Tables: reading, checking and writing text and columnar formats."""

"""Tables of numbers: text and columns, read, checked and written."""

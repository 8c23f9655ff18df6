"""Images: listing, decoding, converting to one form, and writing files."""

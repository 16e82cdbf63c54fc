"""`mainspring new`: from sample files and a few answers to a use case that holds at once."""

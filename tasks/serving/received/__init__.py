"""Feedback and rows that callers send, written to disk and landed as files."""

"""Landed files: discovery, parsing, validation, commit."""

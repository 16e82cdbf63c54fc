"""Ingestion of landed files: discovery, parsing, validation, commit."""

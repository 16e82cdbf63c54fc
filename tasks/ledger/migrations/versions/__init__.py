"""Revisions of the ledger's table, each in a file."""

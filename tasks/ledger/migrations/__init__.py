"""Alembic migrations of the ledger's table."""

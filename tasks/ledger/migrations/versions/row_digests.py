"""Digests of entries: SQLite would not notice a flipped bit in a text."""

import sqlalchemy as sa
from alembic import op

revision = "row_digests"
down_revision = "baseline"


def upgrade() -> None:
    """Add the column; entries of before have none."""
    op.add_column("ledger", sa.Column("digest", sa.String(64)))

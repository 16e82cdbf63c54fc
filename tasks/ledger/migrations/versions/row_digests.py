"""Digests of entries: SQLite would not notice a flipped bit in a text."""

import sqlalchemy as sa
from alembic import op

revision = "row_digests"
down_revision = "baseline"


def upgrade() -> None:
    """Add the column, unless a process that was killed has added it; older entries have none."""
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("ledger")}
    if "digest" not in columns:
        op.add_column("ledger", sa.Column("digest", sa.String(64)))

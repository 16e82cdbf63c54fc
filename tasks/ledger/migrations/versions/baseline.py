"""Baseline: the table `ledger`."""

import sqlalchemy as sa
from alembic import op

revision = "baseline"
down_revision = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("model", "seq"),
        sa.UniqueConstraint("model", "key"),
    )

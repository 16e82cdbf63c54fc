"""The append-only ledger of a model and its projections."""

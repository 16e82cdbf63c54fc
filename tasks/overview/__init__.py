"""The overview: static pages of all models, and of each one, from ledger, lake and cards."""

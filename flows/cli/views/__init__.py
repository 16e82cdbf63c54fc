"""Ledger, status and explanations as a terminal shows them."""

"""Refits of versions that passed the gate."""

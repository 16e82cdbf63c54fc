"""Batch scoring, prediction tables and explanations."""

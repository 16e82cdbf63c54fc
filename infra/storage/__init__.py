"""Clients of S3 and disk, and their errors in our words."""

"""Verification, recovery and retirement of use cases."""

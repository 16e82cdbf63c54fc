"""Script that verifies an audit archive with Python alone."""

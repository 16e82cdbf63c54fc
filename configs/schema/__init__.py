"""The schema of use case and policy files."""

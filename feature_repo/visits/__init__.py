"""The use case visits: its features, its spine and its label."""

"""The flights use case: where its data comes from, its features, its spine and its label."""

"""The use case visits: features, spine and label."""

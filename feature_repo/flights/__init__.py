"""The flights use case: data source, features, spine and label."""

"""Point-in-time features: feature tables, joins, online store."""

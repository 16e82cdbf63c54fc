"""Point-in-time features: tables, joins, online store."""

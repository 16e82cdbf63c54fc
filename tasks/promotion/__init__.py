"""Gate, rollout reviews, promotion and rollback."""

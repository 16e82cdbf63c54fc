"""Rules on landed rows: copies, snapshots, bounds of times, and keys."""

"""Profiles of monitored windows for other tools; they decide nothing."""

"""Alarms of performance rules: resampled years, limits for a stated rate, and detection delays."""

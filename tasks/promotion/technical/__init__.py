"""Technical gate: errors and latency of a version while it serves, beside those of another."""

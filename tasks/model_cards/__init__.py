"""Model cards: text, charts and pages of a version."""

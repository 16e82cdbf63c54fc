"""Business metrics: named expressions over decisions, predictions and labels."""

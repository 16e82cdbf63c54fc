"""Streaming prediction: events of a broker in, predictions out, in small batches."""

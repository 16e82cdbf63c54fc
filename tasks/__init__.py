"""What is done: one capability a file, plain functions first, thin Prefect wrappers last."""

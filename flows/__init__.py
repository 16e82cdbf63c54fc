"""What runs, in which order, with which retries. One flow a file, and no logic."""

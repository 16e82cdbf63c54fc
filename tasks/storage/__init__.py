"""Delta tables, files, databases and spilled chunks."""

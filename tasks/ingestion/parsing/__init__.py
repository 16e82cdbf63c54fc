"""Parsing of landed files: CSV and Parquet into the types of the lake, in a child process."""

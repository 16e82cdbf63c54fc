"""Spool files: lines on disk that survive a kill, landed as Parquet files, and kept for a time."""

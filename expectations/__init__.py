"""Validation rules for landed rows: one module for each use case, with suites built in code.

A suite is a function of `as_of` that returns expectations of Great Expectations, the row count
first. A broken rule for the whole file (row count, newest time, a mean) refuses the file. A broken
rule for single rows sends these rows to quarantine. The YAML already requires keys and times, and
one row for each key and known time in a file.
"""

"""What landed rows must hold: one module a use case, its suites built in code.

A suite is a function of `as_of` that returns Great Expectations' own expectations, the row count
first. What holds for a file as a whole (row count, newest time, a mean) refuses the file; what
holds for each row sends the rows that break it to quarantine. That keys and times are there, and
that a file has one row a key and known time, follows from the YAML and needs no saying.
"""

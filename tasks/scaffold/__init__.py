"""Scaffolding of `mainspring new`: a complete use case from sample files and a few answers."""

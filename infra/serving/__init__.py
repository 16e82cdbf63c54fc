"""Targets that serve a bundle: the handler, and a folder of files for each target."""

"""Audit archive of a version: its files, its history, and a script that verifies both."""

"""Feast's ASOF offline store, and the transforms, views and service of each use case."""

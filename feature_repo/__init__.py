"""Feast: the ASOF offline store, and per use case its transforms, views and service."""

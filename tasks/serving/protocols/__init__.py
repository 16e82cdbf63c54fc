"""Protocols of the prediction server: thin JSON shapes over one service."""

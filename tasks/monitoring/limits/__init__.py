"""Judged rows of a model, and the limits of its rules that follow from them."""

"""Targets: systems that serve a version outside, and the bundle that each of them takes."""

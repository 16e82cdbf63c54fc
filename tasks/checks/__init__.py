"""Checks of a use case before it runs: `mainspring check`."""

"""Warm start of flow runs: a fork server, its client, and the protocol between them.

`MAINSPRING_WARM_START=false` turns it off: `mainspring up` then starts no fork server, and
every run is an ordinary process.
"""

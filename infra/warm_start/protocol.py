"""Protocol of warm starts: how the client of a flow run and the fork server talk.

The server listens on the Unix socket `warm.sock` in the state folder (permission 0600). One
connection is one run:

    client → server   4 bytes: length of the request (unsigned, big-endian), with three file
                      descriptors as ancillary data (SCM_RIGHTS): standard input, output and error
    client → server   the request, JSON in UTF-8: {"environment": {name: value}, "folder": path}
    server → client   4 bytes: pid of the run (signed, big-endian)
    server → client   4 bytes: exit code of the run; -N if signal N ended it

The client sends nothing more. If it closes the connection, the server kills the run with SIGKILL.
If the server closes the connection before the exit code, the client kills the run and exits with 1.
Signals go from the client to the pid directly. If no server listens, the client becomes Prefect's
engine itself, so a run never depends on the server.

Both sides run the same revision of the code, so the protocol has no version number.
"""

from __future__ import annotations

import struct

SOCKET_NAME = "warm.sock"
"""File name in the state folder. Connect from that folder: an address holds about 100 bytes."""

REQUEST_LENGTH, NUMBER = struct.Struct("!I"), struct.Struct("!i")
STANDARD_STREAMS = (0, 1, 2)
ENGINE_MODULE = "prefect.engine"
"""The module that a flow run executes."""
HEARTBEATS = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
"""Variable of every run, in seconds: a run without heartbeats is ended (infra/servers)."""

"""The commands about servers: the local stack, prediction servers, and runs on Prefect's server."""

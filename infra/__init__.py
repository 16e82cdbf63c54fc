"""What runs it: the deployments (deployments.py) and the local servers (local.py)."""

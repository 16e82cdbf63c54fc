"""The command `demo-online`: a day of requests, a canary, and a version that is taken back."""

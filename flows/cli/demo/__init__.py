"""The command `demo`: the whole loop on a year of real flights."""

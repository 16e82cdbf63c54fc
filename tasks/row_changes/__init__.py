"""Changes of single rows by a person: release from quarantine, repair, erasure."""

"""Plan of a new use case: questions, flags and samples resolved into tables, label and inputs."""

"""The `new` command: a use case from sample files, its questions and its trial."""

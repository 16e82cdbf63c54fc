"""Commands that write files for others: a model, a bundle, an archive, an SBOM."""

"""Storage access: S3 options, error translation, atomic writes and file locks."""

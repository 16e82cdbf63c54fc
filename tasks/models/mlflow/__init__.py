"""MLflow: client and runs, the model flavor of a version, versions of a registered model."""

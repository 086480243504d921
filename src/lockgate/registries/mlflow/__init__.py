"""The MLflow registry."""

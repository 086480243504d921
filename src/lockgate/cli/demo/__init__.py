"""The demo: its data, its models, their registration."""

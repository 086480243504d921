"""The model registries, one file each."""

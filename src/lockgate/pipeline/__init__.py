"""A pipeline in YAML: read, merged, validated."""

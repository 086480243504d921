"""The evidence as documents, one file a format."""

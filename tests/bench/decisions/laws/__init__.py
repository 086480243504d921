"""L: data that are unfriendly on purpose. Each law puts a candidate exactly at a line's limit, and counts how often it passes."""

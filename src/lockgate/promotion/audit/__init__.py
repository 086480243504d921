"""Where everything stands and how it came about."""

"""The model registries, one folder each, and the ports that they implement."""

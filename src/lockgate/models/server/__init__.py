"""A model behind a server: protocols, the HTTP client and the load generator."""

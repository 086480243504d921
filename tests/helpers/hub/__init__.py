"""A GitHub for tests: GitHub's own description of its API, and a repository that behaves as that says."""

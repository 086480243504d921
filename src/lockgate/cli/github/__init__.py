"""The steps of the GitHub Action and its workflow files."""

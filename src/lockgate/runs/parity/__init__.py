"""What the environment gate looks at: the packages where a version serves, and its answers to golden rows there."""

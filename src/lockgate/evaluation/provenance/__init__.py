"""What is known of where a version comes from, and what it declares of itself."""

"""Where a version comes from: twelve facts, found where people keep them, and what it declares of itself. Nothing of the model is loaded."""

"""What the lab computes without a model."""

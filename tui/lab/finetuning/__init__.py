"""A table of texts and labels becomes a model."""

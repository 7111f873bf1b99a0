"""Fine-tuning: a table of texts and labels becomes a model."""

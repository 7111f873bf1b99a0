"""The span of a text that answers a question."""

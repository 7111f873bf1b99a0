"""Logits to probabilities, step by step."""

"""Masked language models: filling masks, and the masking game."""

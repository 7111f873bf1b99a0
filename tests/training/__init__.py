"""Tests of the training recipes, on a few hundred words and tiny models."""

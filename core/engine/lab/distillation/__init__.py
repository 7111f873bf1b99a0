"""Distillation: half of a BERT learns from the whole."""

"""Answers scored with and without examples."""

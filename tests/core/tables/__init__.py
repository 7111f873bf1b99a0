"""Tests of `core.tables`."""

"""Tests of `core.backends`."""

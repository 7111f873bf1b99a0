"""Tests of `core.text`."""

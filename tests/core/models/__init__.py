"""Tests of `core.models`."""

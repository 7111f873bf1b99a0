"""Tests of `core.engine.networks`."""

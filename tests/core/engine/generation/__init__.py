"""Tests of `core.engine.generation`."""

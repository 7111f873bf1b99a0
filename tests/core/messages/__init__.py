"""Tests of `core.messages`."""

"""Tests of `tui.export`."""

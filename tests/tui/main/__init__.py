"""Tests of `tui.main`."""

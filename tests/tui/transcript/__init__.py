"""Tests of `tui.transcript`."""

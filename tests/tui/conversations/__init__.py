"""Tests of `tui.conversations`."""

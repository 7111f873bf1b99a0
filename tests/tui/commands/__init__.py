"""Tests of `tui.commands`."""

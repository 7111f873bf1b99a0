"""Tests of the headless command line, as a process of its own."""

"""Conversations and runs on disk, and a run as a script or a command line."""

"""The command line: shared options, and the commands without a screen."""

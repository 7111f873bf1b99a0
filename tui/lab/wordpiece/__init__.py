"""The greedy longest-match walk."""

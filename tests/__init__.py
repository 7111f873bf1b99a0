"""The tests of nlp-tui: offline, quick, and without a terminal."""

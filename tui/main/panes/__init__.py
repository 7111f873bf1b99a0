"""The panes of the main screen, one widget a file. They know neither each other nor the engine."""

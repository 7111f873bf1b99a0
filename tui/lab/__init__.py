"""The lab: its screen, what its panes share, and one folder a topic, named as in `core.lab`."""

"""Widgets and dialogs that know nothing of this app."""

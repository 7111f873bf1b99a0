"""Conversations in the app: kept, listed, brought back, and their branches."""

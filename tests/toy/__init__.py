"""A backend of another kind, for tests of what is asked of backends."""

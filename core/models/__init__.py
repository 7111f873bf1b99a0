"""Models on disk: where a name leads, checks before anything is loaded, facts, verifying, the trash."""

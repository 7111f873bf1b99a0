"""Teacher and student on the same input."""

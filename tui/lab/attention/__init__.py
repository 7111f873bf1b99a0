"""What every token looks at."""

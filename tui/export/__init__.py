"""What is taken along: copies to the clipboard and files."""

"""Files of texts and labels: rows and their columns."""

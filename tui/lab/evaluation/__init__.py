"""A model judged on a table of labelled texts."""

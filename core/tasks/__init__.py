"""One module a task: what is asked of an encoder model beyond continuing text."""

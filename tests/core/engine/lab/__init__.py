"""The tasks of the lab, compared with transformers."""

"""Texts: what a terminal may be shown, tokens, Unicode forms."""

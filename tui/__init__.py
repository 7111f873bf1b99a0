"""The interface of nlp-tui: the terminal app and the headless commands. Never imports torch or transformers."""

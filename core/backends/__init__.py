"""Where an engine may run: what the interface needs of one, and the engine process of this machine."""

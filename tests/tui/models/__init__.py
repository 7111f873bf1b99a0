"""The Models screen, beside a scripted engine and a hub on this machine."""

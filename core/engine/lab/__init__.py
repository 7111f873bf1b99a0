"""The lab's work: a module or folder a topic, named as in `core.lab`."""

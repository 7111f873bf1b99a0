"""The lab on the command line: one module a topic, each with `add_commands` and what its commands print."""

"""Models from the hub: `download` and what it says are the interface's; `process` alone opens connections."""

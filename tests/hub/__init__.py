"""A hub on this machine, with faults on order, and what the program makes of them."""

"""How quick nlp-tui is beside the obvious ways of doing the same, one command a question; see README.md here.

Every program that is timed runs in a process of its own and is timed from outside. The parent imports no torch.
"""

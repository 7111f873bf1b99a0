"""Everything that needs torch: the engine process and what it does with each request.

Nothing outside this package imports torch; the interface never imports this package.
"""

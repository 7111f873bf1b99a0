"""One module a way of running GPT-2: each is a program that `benchmarks.streams` starts, and that `serve` talks for."""

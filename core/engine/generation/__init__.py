"""How a token is chosen: prompts as ids, samplers, the decode loop, beams, the table of candidates."""

"""Every command outside the lab, in the order of `nlp-tui --help`."""

from __future__ import annotations

from tui.commands.parser import Command

COMMANDS = (
    Command("generate", "continue a prompt, token by token", "tui.commands.generate"),
    Command("next", "the most likely next tokens of a prompt", "tui.commands.next"),
    Command("tokens", "how a text splits into tokens", "tui.commands.tokens"),
    Command("similar", "how similar two sentences are", "tui.commands.similar"),
    Command("models", "the models on this machine", "tui.commands.models"),
    Command("replay", "run a record again: does it come out the same?", "tui.commands.replay"),
    Command("bench", "how fast a model runs on this machine in each precision", "tui.commands.bench"),
    Command("doctor", "what works on this machine, and why the rest does not", "tui.commands.doctor.report"),
    Command("locate", "every path that is used", "tui.commands.locate"),
)

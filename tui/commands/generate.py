"""`nlp-tui generate`: continue a prompt, token by token."""

from __future__ import annotations

import argparse

from core.history.run_lines import event_line
from core.messages.protocol import Generate, RunStarted, SequenceDone, TokenGenerated
from core.messages.records import FinishReason, describe_precision
from core.messages.sampling_params import SETTINGS, SamplingParams, describe_way
from core.text.visible import visible
from tui.commands.options import add_reader, add_sampling, add_text, chat_mode, read_text, sampling_params
from tui.commands.parser import Parser
from tui.commands.running import converse, print_json, say, target_of


def add_arguments(parser: Parser) -> None:
    """Add the prompt, every sampling setting, and what reads it."""
    add_text(parser, "prompt")
    add_sampling(parser, tuple(SETTINGS))
    add_reader(parser)


def run(options: argparse.Namespace) -> int:
    """Print the run as it comes."""
    prompt = read_text(options, "prompt")
    target = target_of(options)
    params, how = sampling_params(options), chat_mode(options)
    request = Generate(target, prompt, params, truncate=options.truncate, trace=options.json, chat=how)
    return converse(request, _print_json if options.json else _RunPrinter(params).take)


def _print_json(event: object) -> None:
    line = event_line(event)
    if line is not None:
        print_json(line)


class _RunPrinter:
    """A run as text: one sequence as it streams, several one after the other as they end."""

    def __init__(self, params: SamplingParams) -> None:
        self._several = params.num_return_sequences > 1
        self._prompt = ""

    def take(self, event: object) -> None:
        match event:
            case RunStarted():
                self._prompt = "" if event.chat else event.prompt
                model, params = event.info, event.params
                way = describe_way(params)
                use = "chat, " if event.chat else ""
                say(f"{model.name} ({model.source}) on {model.device}, {describe_precision(model)}, {use}{way}")
                if model.note:
                    say(f"note: {model.note}")
                if not self._several:
                    self._print(self._prompt)
            case TokenGenerated() if not self._several:
                self._print(event.step.text)
            case SequenceDone():
                self._print(f"[{event.sequence + 1}] {self._prompt}{event.text}\n" if self._several else "\n")
                self._say_stats(event)

    def _print(self, text: str) -> None:
        print(visible(text, layout=True), end="", flush=True)

    def _say_stats(self, done: SequenceDone) -> None:
        stats = done.stats
        used = f"{stats.context_used:,} of {stats.n_positions:,} positions used"
        ends = {
            FinishReason.CONTEXT: f"stopped: {used}, the model can read no further",
            FinishReason.CANCELLED: "stopped by you",
        }
        end = ends.get(done.finish_reason, f"ended by {done.finish_reason}")
        say(
            f"{end}; {stats.new_tokens} tokens, {stats.tokens_per_s:.1f} tokens/s, first after "
            f"{stats.ttft_s * 1000:.0f} ms, perplexity {stats.perplexity:.1f}"
        )

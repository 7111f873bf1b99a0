"""The commands without a screen: data on stdout, talk and progress on stderr, every task through the same client.

What is printed for people passes through `visible`, so no byte of a prompt or a model can steer the terminal.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from core.backends.backend import Reply
from core.backends.process import EngineProcess
from core.history.run_lines import event_line
from core.messages.codec import to_json
from core.messages.protocol import (
    Answered,
    Ask,
    Candidates,
    Compare,
    Compared,
    Generate,
    Next,
    Progress,
    RunStarted,
    SequenceDone,
    TokenGenerated,
    Work,
)
from core.messages.records import Candidate, ChatMode, FinishReason, Similarity, describe_precision
from core.messages.sampling_params import SamplingParams, describe_way
from core.models.registry import resolve, starters_note, tokenizer_folder, weight_files
from core.text.tokenization import TextTokenizer
from core.text.visible import visible

if TYPE_CHECKING:
    from core.lab.catalogue import Answer, Question  # dozens of records, which most commands do without

EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Target:
    """Which model to use, where, and how to print."""

    model: str
    device: str
    dtype: str
    json: bool

    @classmethod
    def of(cls, options: argparse.Namespace) -> Target:
        """From parsed options; refuses a model that is not here before any process is started.

        Raises:
            ModelNotFoundError, ModelFormatError: as `registry.resolve` and `registry.weight_files`.
        """
        weight_files(resolve(options.model, getattr(options, "starter", "")))
        return cls(options.model, options.device, options.dtype, options.json)


def print_json(payload: dict[str, Any]) -> None:
    """One line of JSON on stdout, now."""
    print(to_json(payload), flush=True)


def print_typed(answer: Answer, types: Mapping[type[Any], str]) -> None:
    """A part of a long answer as a line of JSON whose `type` says which it is."""
    print_json({"type": types[type(answer)], **asdict(answer)})


def say(text: str) -> None:
    """A line of talk on stderr."""
    print(visible(text), file=sys.stderr, flush=True)


def generate(
    prompt: str, params: SamplingParams, target: Target, truncate: bool, chat: ChatMode = ChatMode.AUTO
) -> int:
    """`nlp-tui generate`."""
    where = (target.device, target.dtype)
    request = Generate(0, target.model, prompt, params, *where, truncate, trace=target.json, chat=chat)
    printer = _print_run_json if target.json else _RunPrinter(params).take
    return converse(request, printer)


def next_tokens(
    prompt: str, params: SamplingParams, target: Target, top: int, truncate: bool, chat: ChatMode = ChatMode.AUTO
) -> int:
    """`nlp-tui next`."""
    request = Next(0, target.model, prompt, params, top, target.device, target.dtype, truncate, chat)

    def take(event: object) -> None:
        if isinstance(event, Candidates):
            for candidate in event.candidates:
                print_json(asdict(candidate)) if target.json else print(_candidate_row(candidate))

    if not target.json:
        print(
            f"{'rank':>5} {'id':>6}  {'token':<18} {'logit':>8} {'model':>7} {'final':>7} {'cumul.':>7}  kept or cut by"
        )
    return converse(request, take)


def similar(first: str, second: str, target: Target) -> int:
    """`nlp-tui similar`."""

    def take(event: object) -> None:
        if isinstance(event, Compared):
            answer = event.similarity
            unknown = dict.fromkeys(("similar", "not_similar", "a_to_b", "b_to_a")) if answer.by_cosine else {}
            print_json(asdict(answer) | unknown) if target.json else print(_similarity_text(answer))

    return converse(Compare(0, target.model, first, second, target.device, target.dtype), take)


def tokens(text: str, tokenizer_name: str, as_json: bool) -> int:
    """`nlp-tui tokens`: needs no engine."""
    tokenizer = TextTokenizer.from_folder(tokenizer_name, tokenizer_folder(tokenizer_name))
    pieces = tokenizer.pieces(text)
    ids, notes = [piece.id for piece in pieces], tokenizer.notes(text)
    if as_json:
        for piece in pieces:
            print_json(asdict(piece))
        told = {"notes": notes} if notes else {}
        print_json({"ids": ids, "decoded": tokenizer.decode(ids), "count": len(ids), **told})
        return 0
    print(f"{'index':>5} {'id':>6}  {'token':<20} {'text':<20} {'bytes':<16} span")
    for piece in pieces:
        note = " special" if piece.special else " unknown" if piece.unknown else ""
        note += f" {text[piece.start : piece.end]} {piece.part}/{piece.parts}" if piece.parts > 1 else ""
        row = f"{piece.token:<20} {piece.text!r:<20} {piece.bytes:<16} {piece.start}-{piece.end}{note}"
        print(visible(f"{piece.index:>5} {piece.id:>6}  {row}"))
    count = f"{len(ids)} token{'' if len(ids) == 1 else 's'}"
    print(visible(f"{count} ({tokenizer.scheme}), decoded: {tokenizer.decode(ids)}"))
    for note in notes:
        say(f"note: {tokenizer.name}: {note}")
    return 0


def bench(model: str, device: str, new_tokens: int, as_json: bool) -> int:
    """`nlp-tui bench`."""
    from tui.commands.bench import measure  # only this command needs it

    weight_files(resolve(model))
    say(f"{model}: {new_tokens} tokens, a few times in each precision; about half a minute")
    speeds = asyncio.run(measure(model, device, new_tokens))
    if not as_json:
        print(f"{'precision':<10} {'tokens/s':>9} {'÷ float32':>9} {'TTFT ms':>8} {'ITL p50':>8} {'p99 ms':>7}  error")
    for speed in speeds:
        if as_json:
            print_json(asdict(speed))
        elif not speed.tokens_per_s:
            print(visible(f"{speed.dtype:<10} not used: {speed.note}"))
        else:
            error = f"KL {speed.kl:.0e}, top-1 {speed.top1_agreement:.0%}" if speed.kl else "exact"
            times = f"{speed.ttft_s * 1e3:>8.0f} {speed.itl_p50_s * 1e3:>8.1f} {speed.itl_p99_s * 1e3:>7.1f}"
            print(f"{speed.dtype:<10} {speed.tokens_per_s:>9.1f} {speed.ratio:>9.2f} {times}  {error}")
    return 0


def ask(question: Question, target: Target, take: Callable[[Answer], None]) -> int:
    """Ask a question of the lab, hand each answer to `take`, say what starters are, and return the exit code.

    Args:
        question: names its model itself.
        target: where to compute, and how.
        take: prints an answer, or a part of it.
    """

    def take_event(event: object) -> None:
        if isinstance(event, Answered):
            take(event.answer)

    status = converse(Ask(0, question, target.device, target.dtype), take_event)
    models = [getattr(question, role) for role in ("model", "teacher", "student") if hasattr(question, role)]
    if status == 0 and not target.json and (note := starters_note(models)):
        say(f"note: {note}")
    return status


Take: TypeAlias = Callable[[object], None]
"""Takes the events of a request as they come, progress aside."""


def converse(request: Work, take: Take) -> int:
    """Send one request, hand its events to `take`, and return the exit code; ctrl+c ends it cleanly."""
    return converse_in_turn([(request, take)])


def converse_in_turn(exchanges: Iterable[tuple[Work, Take]]) -> int:
    """Send requests one after the other to one engine; the next one is asked for when the last is answered.

    Args:
        exchanges: each request with what takes its events; nothing more is taken from it after a ctrl+c.

    Returns:
        The exit code.
    """

    async def conversation() -> int:
        client, interrupted = EngineProcess(), False
        try:
            for request, take in exchanges:
                reply = await client.send(request)

                def interrupt(reply: Reply = reply) -> None:
                    nonlocal interrupted
                    interrupted = True
                    reply.cancel()

                with contextlib.suppress(NotImplementedError):  # no signal handlers in this kind of event loop
                    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
                await _take_all(reply, take)
                if interrupted:
                    return EXIT_INTERRUPTED
        finally:
            await client.close()
        return 0

    return _run(conversation())


def _run(conversation: Coroutine[Any, Any, int]) -> int:
    return asyncio.run(conversation)


async def _take_all(reply: Reply, take: Take) -> None:
    shows_progress = sys.stderr.isatty()
    async for event in reply:
        if isinstance(event, Progress):
            if shows_progress:
                sys.stderr.write(f"\r\x1b[K{event.stage} {event.fraction:.0%}" if event.fraction < 1 else "\r\x1b[K")
                sys.stderr.flush()
        else:
            take(event)


def _print_run_json(event: object) -> None:
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


def _candidate_row(candidate: Candidate) -> str:
    fate = "kept" if candidate.kept else f"cut by {candidate.cut_by}"
    bar = "█" * round(candidate.prob * 20)
    return visible(
        f"{candidate.rank:>5} {candidate.id:>6}  {candidate.text!r:<18} {candidate.logit:>8.3f} {candidate.prob:>7.2%} "
        f"{candidate.final_prob:>7.2%} {candidate.cumulative:>7.2%}  {fate:<22} {bar}".rstrip()
    )


def _similarity_text(similarity: Similarity) -> str:
    bar = "█" * round(max(0.0, similarity.similar) * 40)
    note = "  (cut to the model's positions)" if similarity.truncated else ""
    if similarity.by_cosine:
        numbers = f"cosine  {similarity.cosine:>7.4f}  {bar}{note}"
        return visible(f"{numbers}\n{similarity.model}: {similarity.method}", layout=True)
    return visible(
        f"similar      {similarity.similar:>7.2%}  {bar}{note}\n"
        f"not similar  {similarity.not_similar:>7.2%}\n"
        f"A→B {similarity.a_to_b:.4f}   B→A {similarity.b_to_a:.4f}   cosine {similarity.cosine:.4f}\n"
        f"{similarity.model}: {similarity.method}",
        layout=True,
    )

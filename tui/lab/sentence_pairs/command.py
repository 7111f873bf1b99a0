"""`follows`, `rank` and `pairs`: sentences in pairs on the command line."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from core.models.registry import DEFAULT_MASKED_LM, DEFAULT_PARAPHRASER
from core.text.visible import check_encodable, check_not_empty, visible
from tui.commands.lines import read_lines
from tui.commands.options import Commands, add_command, add_model_options

if TYPE_CHECKING:
    from core.lab.catalogue import Answer
    from core.lab.sentence_pairs import RankedSentences, SimilarityMatrix


def add_commands(commands: Commands) -> None:
    """Add `follows`, `rank` and `pairs`."""
    follows = add_command(commands, "follows", "does one sentence follow another", _run_follows)
    follows.add_argument("first", metavar="A")
    follows.add_argument("second", metavar="B")
    add_model_options(follows, DEFAULT_MASKED_LM)

    rank = add_command(commands, "rank", "which sentences of a list are most like one", _run_rank)
    rank.add_argument("sentence", metavar="SENTENCE")
    pairs = add_command(commands, "pairs", "how alike each sentence of a list is to each other", _run_pairs)
    for command in (rank, pairs):
        command.add_argument(
            "--file", required=True, metavar="F", help="one sentence a line, UTF-8; - reads standard input"
        )
        add_model_options(command, DEFAULT_PARAPHRASER)


def _run_follows(options: argparse.Namespace) -> int:
    from core.lab.sentence_pairs import Follows, NextSentence  # records that other commands do without
    from tui.commands import running  # asyncio and the engine client are not needed by --version and --help

    first, second = _sentence(options.first, "sentence A"), _sentence(options.second, "sentence B")
    target = running.Target.of(options)

    def take(answer: Answer) -> None:
        assert isinstance(answer, NextSentence)
        if target.json:
            running.print_json(asdict(answer))
            return
        for order, is_next, not_next in (
            ("A→B", answer.is_next, answer.not_next),
            ("B→A", answer.swapped_is_next, answer.swapped_not_next),
        ):
            print(f"{order}  is next {is_next:>7.2%}  not next {not_next:>7.2%}  {_bar(is_next)}".rstrip())
        running.say(f"{answer.model}{_cut(answer.truncated)}")

    return running.ask(Follows(target.model, first, second), target, take)


def _run_rank(options: argparse.Namespace) -> int:
    from core.lab.sentence_pairs import RankedSentences, RankSentences  # see _run_follows
    from tui.commands import running  # see _run_follows

    sentence = _sentence(options.sentence, "the sentence")
    others = read_lines(options.file, "the list of sentences")
    target = running.Target.of(options)

    def take(answer: Answer) -> None:
        assert isinstance(answer, RankedSentences)
        if target.json:
            for ranked in answer.ranked:
                unknown = dict.fromkeys(("mean", "a_to_b", "b_to_a", "spread")) if answer.by_cosine else {}
                running.print_json(asdict(ranked) | unknown)
            return
        _print_ranking(answer)
        swapped = "" if answer.by_cosine else "mean of both orders of "
        running.say(f"{answer.model}: {swapped}{answer.method}")

    return running.ask(RankSentences(target.model, sentence, others), target, take)


def _run_pairs(options: argparse.Namespace) -> int:
    from core.lab.sentence_pairs import CompareAll, SimilarityMatrix  # see _run_follows
    from tui.commands import running  # see _run_follows

    sentences = read_lines(options.file, "the list of sentences")
    target = running.Target.of(options)

    def take(answer: Answer) -> None:
        assert isinstance(answer, SimilarityMatrix)
        if target.json:
            for pair in _each_pair(answer):
                running.print_json(pair)
            return
        if not answer.by_cosine:
            _print_matrix("P(similar) in per cent, the row's sentence first", answer.similar)
        _print_matrix("cosine in hundredths", answer.cosine)
        for number, sentence in enumerate(answer.sentences, start=1):
            print(visible(f"{number:>4}  {sentence}"))
        cut = f", {answer.truncated} pairs cut to the model's positions" if answer.truncated else ""
        running.say(f"{answer.model}: {answer.method}{cut}")

    return running.ask(CompareAll(target.model, sentences), target, take)


def _sentence(text: str, name: str) -> str:
    return check_not_empty(check_encodable(text, name), name)


def _print_ranking(answer: RankedSentences) -> None:
    names = () if answer.by_cosine else ("mean", "A→B", "B→A", "spread")
    print(" ".join([f"{'rank':>4}", *(f"{name:>7}" for name in (*names, "cosine"))]))
    for one in answer.ranked:
        values = (one.mean, one.a_to_b, one.b_to_a, one.spread)[: len(names)]
        shares = "".join(f"{share:>7.2%} " for share in values)
        print(visible(f"{one.rank:>4} {shares}{one.cosine:>7.3f}  {one.text}{_cut(one.truncated)}"))


def _print_matrix(heading: str, matrix: tuple[tuple[float, ...], ...]) -> None:
    print(heading)
    print("     " + "".join(f"{number:>5}" for number in range(1, len(matrix) + 1)))
    for number, row in enumerate(matrix, start=1):
        print(f"{number:>4} " + "".join(f"{round(100 * value):>5}" for value in row))


def _each_pair(answer: SimilarityMatrix) -> list[dict[str, object]]:
    """Each two sentences once, the earlier one first."""
    count = len(answer.sentences)
    return [
        {
            "first": answer.sentences[row],
            "second": answer.sentences[column],
            "a_to_b": None if answer.by_cosine else answer.similar[row][column],
            "b_to_a": None if answer.by_cosine else answer.similar[column][row],
            "cosine": answer.cosine[row][column],
        }
        for row in range(count)
        for column in range(row + 1, count)
    ]


def _bar(share: float) -> str:
    return "█" * round(share * 30)


def _cut(truncated: bool) -> str:
    return "  (cut to the model's positions)" if truncated else ""

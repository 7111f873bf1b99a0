"""What is what: the model families of the course as facts, each with its paper, and how to try it here.

Sizes are those that their makers give, rounded as they round them. Sources: the papers named; for GPT-1's size the
GPT-2 paper, for GPT-2's the README of openai/gpt-2, for RoBERTa's that of fairseq, for GPT-4's tokenizer tiktoken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Which tokens a token may attend to."""

    BOTH = "both ways"
    LEFT = "to the left"


@dataclass(frozen=True, slots=True)
class Size:
    """One published size of a family."""

    name: str
    """As its makers call it; empty when there is only one."""
    parameters: int
    """As its makers give it."""
    layers: int
    width: int
    """D, the size of a hidden state."""
    heads: int
    """Of attention, a layer."""


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one kind, from one paper."""

    name: str
    year: int
    """Of the first version of the paper."""
    direction: Direction
    learns: str
    """The pre-training task."""
    sizes: tuple[Size, ...]
    """Smallest first; empty when none was published."""
    positions: int
    """The most tokens read at once, of the first release."""
    tokenizer: str
    """Its kind."""
    vocabulary: int
    """Entries."""
    trained_on: str
    paper: str
    """Authors and title."""
    link: str
    note: str
    commands: tuple[str, ...]
    """How to try it here, what is bundled first; empty when it cannot be tried here."""
    fetch: str
    """What brings the model that the last command names; empty when nothing does."""


_MASK_EXAMPLE = '"I went to the [MASK]."'

FAMILIES: tuple[Family, ...] = (
    Family(
        name="BERT",
        year=2018,
        direction=Direction.BOTH,
        learns="fill in 15 % of the tokens (masked LM); is B the next sentence after A?",
        sizes=(Size("base", 110_000_000, 12, 768, 12), Size("large", 340_000_000, 24, 1024, 16)),
        positions=512,
        tokenizer="WordPiece",
        vocabulary=30_522,
        trained_on="BooksCorpus and English Wikipedia, 3.3 billion words",
        paper="Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
        link="arXiv:1810.04805",
        note="Reads and judges text, does not continue it. The vocabulary is that of bert-base-uncased.",
        commands=(f"nlp-tui fill {_MASK_EXAMPLE}", f"nlp-tui fill {_MASK_EXAMPLE} --model bert-base-uncased"),
        fetch="nlp-tui models pull bert-base-uncased",
    ),
    Family(
        name="DistilBERT",
        year=2019,
        direction=Direction.BOTH,
        learns="fill in masked tokens as its teacher BERT does; loss: distillation, masked LM and cosine of the states",
        sizes=(Size("", 66_000_000, 6, 768, 12),),
        positions=512,
        tokenizer="WordPiece",
        vocabulary=30_522,
        trained_on="the same text as BERT",
        paper="Sanh et al., DistilBERT, a distilled version of BERT: smaller, faster, cheaper and lighter",
        link="arXiv:1910.01108",
        note="40 % smaller and 60 % faster than BERT base, and keeps 97 % of its GLUE score, says the paper.",
        commands=(
            f"nlp-tui fill {_MASK_EXAMPLE} --model starter/distilbert",
            f"nlp-tui fill {_MASK_EXAMPLE} --model distilbert-base-uncased",
        ),
        fetch="nlp-tui models pull distilbert-base-uncased",
    ),
    Family(
        name="RoBERTa",
        year=2019,
        direction=Direction.BOTH,
        learns="fill in 15 % of the tokens, masked anew each time; no next sentence",
        sizes=(Size("base", 125_000_000, 12, 768, 12), Size("large", 355_000_000, 24, 1024, 16)),
        positions=512,
        tokenizer="byte-level BPE",
        vocabulary=50_265,
        trained_on="160 GB of text: books, Wikipedia, news, web pages, stories",
        paper="Liu et al., RoBERTa: A Robustly Optimized BERT Pretraining Approach",
        link="arXiv:1907.11692",
        note="BERT's architecture, trained longer, on more text and in larger batches.",
        commands=(f"nlp-tui fill {_MASK_EXAMPLE} --model roberta-base",),
        fetch="nlp-tui models pull roberta-base",
    ),
    Family(
        name="GPT-1",
        year=2018,
        direction=Direction.LEFT,
        learns="predict the next token; then fine-tuned for each task",
        sizes=(Size("", 117_000_000, 12, 768, 12),),
        positions=512,
        tokenizer="BPE",
        vocabulary=40_478,
        trained_on="BooksCorpus",
        paper="Radford et al., Improving Language Understanding by Generative Pre-Training",
        link="openai.com/index/language-unsupervised",
        note="Not here: transformers' class for it keeps no KV cache, which decoding here builds on.",
        commands=(),
        fetch="",
    ),
    Family(
        name="GPT-2",
        year=2019,
        direction=Direction.LEFT,
        learns="predict the next token",
        sizes=(
            Size("small", 124_000_000, 12, 768, 12),
            Size("medium", 355_000_000, 24, 1024, 16),
            Size("large", 774_000_000, 36, 1280, 20),
            Size("XL", 1_500_000_000, 48, 1600, 25),
        ),
        positions=1024,
        tokenizer="byte-level BPE",
        vocabulary=50_257,
        trained_on="WebText, 40 GB of web pages",
        paper="Radford et al., Language Models are Unsupervised Multitask Learners",
        link="github.com/openai/gpt-2",
        note="The paper counts 117, 345, 762 and 1,542 M; the sizes here are those of the released models.",
        commands=('nlp-tui generate "Once upon a time"', 'nlp-tui generate "Once upon a time" --model gpt2'),
        fetch="nlp-tui models pull gpt2",
    ),
    Family(
        name="GPT-3",
        year=2020,
        direction=Direction.LEFT,
        learns="predict the next token; tasks are given as examples in the prompt",
        sizes=(Size("", 175_000_000_000, 96, 12_288, 96),),
        positions=2048,
        tokenizer="byte-level BPE",
        vocabulary=50_257,
        trained_on="300 billion tokens of web pages, books and Wikipedia",
        paper="Brown et al., Language Models are Few-Shot Learners",
        link="arXiv:2005.14165",
        note="The weights were never released: it ran only behind OpenAI's API. The paper has eight sizes, 125 M up.",
        commands=(),
        fetch="",
    ),
    Family(
        name="GPT-4",
        year=2023,
        direction=Direction.LEFT,
        learns="predict the next token; then tuned with human feedback (RLHF)",
        sizes=(),
        positions=8192,
        tokenizer="byte-level BPE (cl100k_base)",
        vocabulary=100_261,
        trained_on="public and licensed text, of unpublished extent",
        paper="OpenAI, GPT-4 Technical Report",
        link="arXiv:2303.08774",
        note="Size and architecture are not published, nor are the weights: it runs only at OpenAI. Reads images too.",
        commands=(),
        fetch="",
    ),
)
"""Those that read both ways first, then those that write; by year."""


def parameters_text(parameters: int) -> str:
    """A number of parameters as people say it: `110 M`, `1.5 B`."""
    return f"{parameters / 1e9:g} B" if parameters >= 1e9 else f"{parameters / 1e6:g} M"


def span_text(values: Sequence[str]) -> str:
    """One value, two with a comma, the ends of more; nothing for none."""
    if len(values) > 2:
        return f"{values[0]}–{values[-1]}"
    return ", ".join(values)


def facts(family: Family) -> list[str]:
    """Everything about a family, a fact a line."""
    lines = [f"{family.paper} ({family.year}), {family.link}"]
    lines.append(f"attends {family.direction}; learned to {family.learns}")
    for size in family.sizes:
        name = f"{size.name} " if size.name else ""
        shape = f"{size.layers} layers, {size.width:,} wide, {size.heads} heads"
        lines.append(f"{name}{parameters_text(size.parameters)}: {shape}")
    if not family.sizes:
        lines.append("size, layers and width: not published")
    lines.append(f"{family.positions:,} positions; {family.tokenizer}, {family.vocabulary:,} entries")
    lines.append(f"trained on {family.trained_on}")
    lines.append(family.note)
    return lines

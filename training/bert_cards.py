"""What the cards of the BERT folders say: measured, then written.

Measures packed folders on held-out text and dev sets and writes their README.md. Invariant: a
card's figures are those of the files beside it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from training.bert_measures import (
    MILK,
    course_pair_scores,
    fill_mask,
    measure_classes,
    measure_pretraining,
    similarity_spearman,
)
from training.cards import ModelCard, table
from training.corpora import Corpus
from training.glue import Example, Task
from training.measures import load_bert, load_classifier, load_masked_lm
from training.sentence_pairs import held_out_batches

LICENCE = "apache-2.0"

BERT_SUMMARY = """\
A BERT of 6 layers and 384 dimensions with masked-LM and next-sentence heads, so that a terminal app
can show an encoder at work without a network. It started from the encoder of all-MiniLM-L6-v2
(sentence-transformers, Apache-2.0; Wang et al. 2020, "MiniLM"), whose word pieces, layers and much
of whose knowledge it keeps. The mean of its last hidden states still works as a sentence vector."""

BERT_DATA = """\
- 10,917 TinyStories (Eldan and Li 2023), CDLA-Sharing-1.0.
- 274 public-domain children's books, as sections of 40 paragraphs.
- 26,867 English Wikipedia articles, CC BY-SA 3.0.
- Sentence tasks trained beside it: MRPC (Dolan and Brockett 2005), SST-2 (Socher et al. 2013) and
  STS-B (Cer et al. 2017) train sets; rows that recur in any of their dev sets were dropped.

Every 50th story, section and article of a shuffle with seed 0 is held out: never trained on, and
not used to pick a checkpoint. The last step's weights are the ones packed. Negatives of the
next-sentence task come from other documents; label 0 is "is next"."""

TASK_SUMMARIES = {
    Task.MRPC: """\
Says whether two sentences mean the same: labels `not_equivalent` and `equivalent`. What it has not
for itself is the starter BERT's, so it needs the folder `bert` beside it. That BERT started from
all-MiniLM-L6-v2 (Apache-2.0).""",
    Task.SST2: """\
Says whether a sentence speaks well of something: labels `NEGATIVE` and `POSITIVE`. All but its last
layers is the encoder of the starter BERT, so it needs the folder `bert` beside it. That encoder
started from all-MiniLM-L6-v2 (Apache-2.0).""",
}

TASK_DATA = {
    Task.MRPC: """\
The MRPC train set (Dolan and Brockett 2005; Microsoft Research terms, not redistributed). Where the
table below names more sources: the STS-B train set (Cer et al. 2017) as soft labels; pairs of short
sentences from it and from the starter BERT's training text, labelled by the cosine of
all-MiniLM-L6-v2; the same sentences with one to three words swapped, labelled by what WordNet 3.1
(Princeton University) says of the words, or by their cosine where it leaves that open; and new pairs
of MRPC's own sentences, labelled by the classifiers that the command names as teachers. Rows that
recur in the dev sets of MRPC, SST-2 or STS-B are left out. The dev set was never trained on and
picked no checkpoint.""",
    Task.SST2: """\
The SST-2 train set (Socher et al. 2013), without the rows that recur in the dev sets of MRPC, SST-2
or STS-B. The dev set was never trained on and picked no checkpoint.""",
}


def write_bert_card(
    folder: Path,
    corpora: Sequence[Corpus],
    similarity_dev: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    training_facts: Mapping[str, str],
) -> None:
    """Measure the packed pre-training model and describe it."""
    model = load_bert(folder)
    figures = measure_pretraining(model, held_out_batches(corpora, tokenizer))
    spearman = similarity_spearman(model.bert, tokenizer, similarity_dev)
    rows = {
        "masked LM, held-out text, top 1": f"{figures.top1:.3f}",
        "masked LM, held-out text, top 5": f"{figures.top5:.3f}",
        "next sentence, held-out text, accuracy": f"{figures.next_sentence:.3f}",
        "STS-B dev, Spearman of mean-pooled cosines": f"{spearman:.3f}",
        f'"{MILK}"': ", ".join(fill_mask(load_masked_lm(folder), tokenizer, MILK)),
    }
    ModelCard(
        title="Starter BERT",
        licence=LICENCE,
        summary=BERT_SUMMARY,
        sections={
            "Data": BERT_DATA,
            "Training": table("fact", "value", training_facts),
            "Figures": table("figure", "value", rows),
        },
    ).write(folder)


def write_task_card(
    folder: Path,
    task: Task,
    dev: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    training_facts: Mapping[str, str],
) -> None:
    """Measure a packed classifier and describe it."""
    model = load_classifier(folder)
    figures = measure_classes(model, tokenizer, dev)
    rows = {"dev accuracy": f"{figures.accuracy:.3f}", "dev F1": f"{figures.f1:.3f}"}
    if task is Task.MRPC:
        scores = ", ".join(f"{score:.2f}" for score in course_pair_scores(model, tokenizer))
        rows["cat and feline, pizza and Python, he and she"] = scores
    ModelCard(
        title=f"Starter BERT for {task.name}",
        licence=LICENCE,
        summary=TASK_SUMMARIES[task],
        sections={
            "Data": TASK_DATA[task],
            "Training": table("fact", "value", training_facts),
            "Figures": table("figure", "value", rows),
        },
    ).write(folder)

"""Turn a trained GPT-2 over compact ids into the folder that ships.

Writes the weights, the genuine tokenizer and the model card; trains nothing. Invariant: the packed
model gives every vocabulary entry that was trained the row it was trained with.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerBase

from training.cards import ModelCard, quote, table
from training.corpora import Corpus
from training.measures import encode_documents, load_gpt2, perplexity, sample_stories
from training.packing import empty_folder, save_surroundings, save_weights
from training.vocabulary import CompactVocabulary

WINDOWS = (256,)
EMBEDDING = "transformer.wte.weight"


def expand_weights(weights: Mapping[str, Tensor], vocabulary: CompactVocabulary) -> dict[str, Tensor]:
    """Return the weights with a row for every vocabulary entry and the tied head left out."""
    full = {name: tensor for name, tensor in weights.items() if name != "lm_head.weight"}
    generator = torch.Generator().manual_seed(0)
    full[EMBEDDING] = vocabulary.expand_rows(full[EMBEDDING].float().cpu(), generator)
    return full


def pack_gpt2(
    model: GPT2LMHeadModel,
    vocabulary: CompactVocabulary,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
) -> None:
    """Write the model's folder in half precision.

    Args:
        model: The trained model, over compact ids.
        vocabulary: What the compact ids stand for.
        tokenizer: The tokenizer of the whole vocabulary.
        folder: Where to; emptied first.
    """
    trained = model.config
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=vocabulary.full_size,
        n_positions=trained.n_positions,
        n_embd=trained.n_embd,
        n_layer=trained.n_layer,
        n_head=trained.n_head,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=end,
        eos_token_id=end,
        architectures=["GPT2LMHeadModel"],
    )
    empty_folder(folder)
    weights = expand_weights(model.state_dict(), vocabulary)
    save_weights(folder / "model.safetensors", weights)
    save_surroundings(folder, config, tokenizer, trained.n_positions)
    GenerationConfig.from_model_config(config).save_pretrained(str(folder))


def measure_gpt2(
    folder: Path, corpora: Sequence[Corpus], tokenizer: PreTrainedTokenizerBase
) -> dict[tuple[str, int], float]:
    """Return the packed model's perplexity on held-out text, by corpus and window."""
    model = load_gpt2(folder)
    figures: dict[tuple[str, int], float] = {}
    for corpus in corpora:
        tokens = torch.cat(encode_documents(corpus.held_out, tokenizer))
        for window in WINDOWS:
            if len(tokens) > window <= model.config.n_positions:
                figures[corpus.name, window] = perplexity(model, tokens, window)
    return figures


def write_gpt2_card(
    folder: Path,
    corpora: Sequence[Corpus],
    tokenizer: PreTrainedTokenizerBase,
    training_facts: Mapping[str, str],
) -> None:
    """Measure the packed model and describe it.

    Args:
        folder: The packed model.
        corpora: What it was trained on, with the held-out parts.
        tokenizer: Its tokenizer.
        training_facts: Steps, tokens, wall time and command.
    """
    figures = {
        f"perplexity, held-out {corpus}, windows of {window}": f"{value:.2f}"
        for (corpus, window), value in measure_gpt2(folder, corpora, tokenizer).items()
    }
    samples = sample_stories(load_gpt2(folder), tokenizer)
    ModelCard(
        title="Starter GPT-2",
        licence="cdla-sharing-1.0",
        summary=SUMMARY,
        sections={
            "Data": DATA,
            "Training": table("fact", "value", training_facts),
            "Figures": table("figure", "value", figures),
            "Ten unedited samples": SAMPLES_NOTE + "\n".join(quote(text) for text in samples),
        },
    ).write(folder)


SUMMARY = """\
A small GPT-2 that tells children's stories, trained from scratch so that a terminal app can
show a language model at work without a network. It has the architecture and the genuine tokenizer of
GPT-2 (50,257 entries); entries that never occur in the training text carry the mean of the rarest
entries' rows. It knows stories and nothing else."""

DATA = """\
- 10,917 TinyStories (Eldan and Li 2023), CDLA-Sharing-1.0.
- 274 public-domain children's books, as sections of 40 paragraphs.
- Tokenizer: GPT-2's, OpenAI, modified MIT licence.
- Word embeddings start from those of all-MiniLM-L6-v2 (Apache-2.0), spelled out entry by entry and
  turned to this width; every other weight starts random.

Every 50th story and section of a shuffle with seed 0 is held out: never trained on, and not used to
pick a checkpoint. The last step's weights are the ones packed. An earlier first version of this
model was trained with another cut, so its weights have seen parts of today's held-out text; none of
them were used here."""

SAMPLES_NOTE = """\
"Once upon a time", temperature 0.8, top-k 50, top-p 0.95, 80 new tokens, seeds 1-10.

"""

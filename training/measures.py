"""The figures a model is judged by, each computed on its own.

Takes loaded models and texts or tokens and returns numbers; prints nothing and trains nothing.
Invariant: every figure covers all of the text it is given, with nothing sampled unless a seed says
how.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForPreTraining,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

OPENING = "Once upon a time"
SAMPLE_SEEDS = range(1, 11)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a local folder and nowhere else."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    return tokenizer


def load_gpt2(folder: Path) -> GPT2LMHeadModel:
    """Load a packed GPT-2 in single precision, ready to be measured."""
    model: GPT2LMHeadModel = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32)
    model.train(False)
    return model


def load_bert(folder: Path) -> BertForPreTraining:
    """Load a packed BERT in single precision, ready to be measured."""
    model: BertForPreTraining = BertForPreTraining.from_pretrained(folder, dtype=torch.float32)
    model.train(False)
    return model


def load_masked_lm(folder: Path) -> PreTrainedModel:
    """Load a packed BERT or DistilBERT for filling masks, ready to be measured."""
    model: PreTrainedModel = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32)
    model.train(False)
    return model


def load_classifier(folder: Path) -> PreTrainedModel:
    """Load a packed classifier of sentences, ready to be measured."""
    model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    model.train(False)
    return model


def encode_documents(documents: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[Tensor]:
    """Return each document's token ids with the end-of-text entry after them."""
    end = tokenizer.eos_token_id
    encoded = tokenizer(list(documents), verbose=False)["input_ids"]
    return [torch.tensor([*ids, end], dtype=torch.long) for ids in encoded]


@torch.no_grad()
def perplexity(model: GPT2LMHeadModel, tokens: Tensor, window: int, batch_size: int = 8) -> float:
    """Return the perplexity over the whole vocabulary of a text cut into windows.

    Args:
        model: The model, in evaluation mode.
        tokens: The text's vocabulary ids, 1-D; what is left after the last window is not scored.
        window: Tokens predicted in each window, of which the first sees one token only.
        batch_size: Windows scored at once.

    Returns:
        The exponential of the mean loss in nats for each token.
    """
    count = (len(tokens) - 1) // window
    inputs = tokens[: count * window].view(count, window)
    targets = tokens[1 : count * window + 1].view(count, window)
    total = 0.0
    for start in range(0, count, batch_size):
        logits = model(input_ids=inputs[start : start + batch_size]).logits  # (B, T, V)
        batch_targets = targets[start : start + batch_size].flatten()
        total += float(functional.cross_entropy(logits.flatten(0, 1).float(), batch_targets, reduction="sum"))
    return math.exp(total / (count * window))


@torch.no_grad()
def sample_stories(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase, new_tokens: int = 80) -> list[str]:
    """Return ten unedited continuations, temperature 0.8, top-k 50, top-p 0.95, seeds 1-10."""
    prompt = tokenizer(OPENING, return_tensors="pt")
    stories = []
    for seed in SAMPLE_SEEDS:
        torch.manual_seed(seed)
        output = model.generate(  # type: ignore[misc, unused-ignore]
            **prompt,
            max_new_tokens=new_tokens,
            do_sample=True,
            temperature=0.8,
            top_k=50,
            top_p=0.95,
            pad_token_id=tokenizer.eos_token_id,
        )
        stories.append(str(tokenizer.decode(output[0], skip_special_tokens=True)))
    return stories

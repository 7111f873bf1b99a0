"""Turn a trained BERT family into the folders that ship: bert, mrpc and sst2.

Writes weights, indexes and tokenizers; trains and measures nothing. Invariant: the word embeddings
and the trunk are stored once, in bert, and the task folders' indexes point to them.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor
from transformers import BertForPreTraining, BertForSequenceClassification, PreTrainedTokenizerBase

from training.bert_model import BertFamily, shared_names
from training.packing import empty_folder, save_index, save_surroundings, save_weights

WORDS_FILE = "words.safetensors"
WORDS = "embeddings.word_embeddings.weight"
"""The words' name in their file: without the architecture, so that a DistilBERT can use it, too."""
ENCODER_FILE = "encoder.safetensors"
HEADS_FILE = "heads.safetensors"
CLASSIFIER_FILE = "classifier.safetensors"
TIED_HEAD = "cls.predictions.decoder.weight"


def split_weights(
    model: BertForPreTraining | BertForSequenceClassification, own_layers: int
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Return the words, the rest of the trunk, and the model's own weights."""
    weights = {n: t for n, t in model.state_dict().items() if n != TIED_HEAD}
    words = {WORDS: weights.pop(f"bert.{WORDS}")}
    shared = {name: weights[name] for name in shared_names(model.config, list(weights), own_layers)}
    return words, shared, {name: tensor for name, tensor in weights.items() if name not in shared}


def pack_pretraining(
    model: BertForPreTraining, tokenizer: PreTrainedTokenizerBase, folder: Path, own_layers: int
) -> None:
    """Write the folder that holds the words, the trunk and the pre-training heads."""
    words, shared, own = split_weights(model, own_layers)
    files = {WORDS_FILE: words, ENCODER_FILE: shared, HEADS_FILE: own}
    empty_folder(folder)
    for name, weights in files.items():
        save_weights(folder / name, weights)
    save_index(folder, files)
    save_surroundings(folder, model.config, tokenizer, model.config.max_position_embeddings)


def pack_task(
    model: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    own_layers: int,
) -> None:
    """Write a task's folder: its own weights, and an index to the words and the trunk in ../bert."""
    words, shared, own = split_weights(model, own_layers)
    empty_folder(folder)
    save_weights(folder / CLASSIFIER_FILE, own)
    save_index(folder, {f"../bert/{WORDS_FILE}": words, f"../bert/{ENCODER_FILE}": shared, CLASSIFIER_FILE: own})
    save_surroundings(folder, model.config, tokenizer, model.config.max_position_embeddings)


def pack_family(
    family: BertFamily, tokenizer: PreTrainedTokenizerBase, out: Path, own_layers: int
) -> Mapping[str, Path]:
    """Write all members' folders under `out` and return them by name."""
    folders = {"bert": out / "bert", **{str(task): out / str(task) for task in family.tasks}}
    pack_pretraining(family.pretraining, tokenizer, folders["bert"], own_layers)
    for task, model in family.tasks.items():
        pack_task(model, tokenizer, folders[str(task)], own_layers)
    return folders

"""A data folder of a few hundred words, tokenizers learned from it, and a tiny encoder."""

import random
from pathlib import Path

import pytest
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import BertConfig, BertModel, PreTrainedTokenizerBase

from training.measures import load_tokenizer

WORDS = ["the", "a", "cat", "dog", "bird", "sat", "ran", "sang", "on", "under", "mat", "hill", "tree", "and", "then"]
RELATED_WORDS = ["animal", "beast", "tall", "low"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def sentences(count: int, generator: random.Random) -> list[str]:
    """Return sentences of random words."""
    return [" ".join(generator.choices(WORDS, k=9)).capitalize() + "." for _ in range(count)]


def write_corpora(folder: Path, generator: random.Random) -> None:
    """Write 110 stories, 110 book sections' worth of paragraphs and 110 articles."""
    folder.mkdir(parents=True)
    stories = ["\n".join(sentences(16, generator)) for _ in range(110)]
    (folder / "tinystories.txt").write_text("\n<|endoftext|>\n".join(stories), encoding="utf-8")
    paragraphs = ["\n".join(sentences(1, generator)) for _ in range(60 * 40)]
    (folder / "children_books.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    articles = ["\n".join(sentences(16, generator)) for _ in range(110)]
    (folder / "wiki_en.txt").write_text("\n\n".join(articles), encoding="utf-8")


def write_glue(folder: Path, generator: random.Random) -> None:
    """Write a few rows of every task, in the columns of the real files."""
    headers = {"MRPC": 5, "SST-2": 2, "STS-B": 10}
    for name, columns in headers.items():
        (folder / name).mkdir(parents=True)
        for part, count in (("train", 40), ("dev", 12)):
            lines = ["\t".join(["column"] * columns)]
            for row in range(count):
                first, second = sentences(2, generator)
                cells = {
                    "MRPC": [str(row % 2), "1", "2", first, second],
                    "SST-2": [first, str(row % 2)],
                    "STS-B": [*["x"] * 7, first, second, str(row % 6)],
                }
                lines.append("\t".join(cells[name]))
            (folder / name / f"{part}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_tokenizers(folder: Path, text: str) -> None:
    """Write a byte-level BPE and a WordPiece vocabulary in the layout of the originals."""
    gpt2 = folder / "gpt2"
    gpt2.mkdir(parents=True)
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator([text], vocab_size=330, special_tokens=["<|endoftext|>"])
    bpe.save_model(str(gpt2))
    (gpt2 / "config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")
    (gpt2 / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}', encoding="utf-8")
    bert = folder / "bert-base-uncased"
    bert.mkdir()
    letters = [piece for c in "abcdefghijklmnopqrstuvwxyz0123456789.,!?'" for piece in (c, f"##{c}")]
    (bert / "vocab.txt").write_text(
        "\n".join(dict.fromkeys(SPECIAL + letters + WORDS + RELATED_WORDS)) + "\n", encoding="utf-8"
    )
    (bert / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (bert / "tokenizer_config.json").write_text(
        '{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}', encoding="utf-8"
    )


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder in the recipes' layout."""
    folder = tmp_path_factory.mktemp("tiny") / "data"
    generator = random.Random(0)
    write_corpora(folder / "corpora", generator)
    write_glue(folder / "glue", generator)
    text = (folder / "corpora" / "tinystories.txt").read_text(encoding="utf-8")
    write_tokenizers(folder / "tokenizers", text)
    return folder


@pytest.fixture(scope="session")
def tiny_wordnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a `dict` folder: a cat, a dog and a bird are animals, which are beasts; tall is not low."""
    folder = tmp_path_factory.mktemp("wordnet")
    files = {
        "index.sense": [
            "cat%1:05:00:: 00000100 1 18",
            "cat%2:29:00:: 00000900 1 0",
            "dog%1:05:00:: 00000300 1 42",
            "bird%1:05:00:: 00000400 1 10",
            "animal%1:03:00:: 00000200 1 60",
            "beast%1:03:00:: 00000200 1 2",
            "wildcat%1:05:00:: 00000100 2 0",
            "wildcat%1:18:00:: 00000450 1 1",
            "cold_fish%1:03:00:: 00000200 1 0",
            "tall%3:00:00:: 00000500 1 30",
            "low%3:00:00:: 00000600 1 30",
        ],
        "data.noun": [
            "  1 The licence's lines start with blanks.",
            "00000100 05 n 02 cat 0 wildcat 0 001 @ 00000200 n 0000 | an animal that purrs",
            "00000200 03 n 03 animal 0 beast 0 cold_fish 0 003 "
            "~ 00000100 n 0000 ~ 00000300 n 0000 ~ 00000400 n 0000 | a living thing",
            "00000300 05 n 01 dog 0 001 @ 00000200 n 0000 | an animal that barks",
            "00000400 05 n 01 bird 0 001 @ 00000200 n 0000 | an animal that flies",
            "00000450 18 n 01 wildcat 0 000 | a reckless person",
        ],
        "data.verb": ["00000900 29 v 01 cat 0 000 | to cat"],
        "data.adj": [
            "00000500 00 a 01 tall(a) 0 001 ! 00000600 a 0101 | not low",
            "00000600 00 a 01 low 0 001 ! 00000500 a 0101 | not tall",
        ],
        "data.adv": [],
    }
    for name, lines in files.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def gpt2_tokenizer(tiny_data: Path) -> PreTrainedTokenizerBase:
    """Return the tiny byte-level BPE."""
    return load_tokenizer(tiny_data / "tokenizers" / "gpt2")


@pytest.fixture(scope="session")
def bert_tokenizer(tiny_data: Path) -> PreTrainedTokenizerBase:
    """Return the tiny WordPiece tokenizer."""
    return load_tokenizer(tiny_data / "tokenizers" / "bert-base-uncased")


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory, bert_tokenizer: PreTrainedTokenizerBase) -> Path:
    """Return the folder of a random BERT of 2 layers, without heads."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(bert_tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=160,
    )
    BertModel(config).save_pretrained(folder)
    bert_tokenizer.save_pretrained(str(folder))
    return folder

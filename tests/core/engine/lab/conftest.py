"""Files to evaluate on, and a state folder of each test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.engine.networks.head import Head
from tests.builders import EncoderBuilder
from tests.core.engine.lab.evaluating import TEXTS


@pytest.fixture
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals go to a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled pairs as MRPC has them."""
    path = tmp_path_factory.mktemp("pairs") / "dev.tsv"
    rows = [f"{n % 2}\t{n}\t{n}\t{text}\t{TEXTS[-n]}" for n, text in enumerate(TEXTS)]
    path.write_text("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled texts as SST-2 has them."""
    path = tmp_path_factory.mktemp("texts") / "dev.tsv"
    path.write_text("sentence\tlabel\n" + "\n".join(f"{text}\t{n % 2}" for n, text in enumerate(TEXTS)) + "\n")
    return path


@pytest.fixture(scope="module")
def masked_folder(build_encoder: EncoderBuilder) -> Path:
    """A tiny BERT with a masked-LM head."""
    return build_encoder("bert", Head.MASKED_LM)


BPE_TEXTS = ["I went to the store to buy some milk.", "the store sold milk to the icy store", "(store) milk in a store"]


@pytest.fixture(scope="module")
def bpe_folder(build_encoder: EncoderBuilder) -> Path:
    """A tiny RoBERTa with a byte-level BPE of its own, whose `<mask>` takes in the space before it."""
    from tokenizers import AddedToken, ByteLevelBPETokenizer
    from transformers import RobertaTokenizer

    bpe = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator(BPE_TEXTS, vocab_size=320, min_frequency=1, special_tokens=special)
    folder = build_encoder("roberta", Head.MASKED_LM, vocab_size=bpe.get_vocab_size(), pad_token_id=1)
    vocabulary, merges = bpe.save_model(str(folder))
    mask: Any = AddedToken("<mask>", lstrip=True)
    RobertaTokenizer(vocabulary, merges, mask_token=mask).save_pretrained(folder)
    return folder

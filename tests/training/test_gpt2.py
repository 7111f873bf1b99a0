"""The GPT-2 recipe: steps, resuming, the packed folder and its card."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, GPT2LMHeadModel, PreTrainedTokenizerBase

from tests.training.recipes import GPT2, train_gpt2
from training.borrowed_embeddings import borrow_embeddings, spell
from training.gpt2 import parse_arguments
from training.gpt2_trainer import Gpt2Settings, build_model
from training.measures import perplexity
from training.token_stream import TokenStream


@pytest.fixture(scope="module")
def trained(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model trained for six steps."""
    return train_gpt2(tiny_data, tmp_path_factory.mktemp("gpt2"), 6)


def test_a_resumed_run_ends_with_the_same_weights(tiny_data: Path, trained: Path, tmp_path: Path) -> None:
    state = torch.load(trained.parent / "gpt2.checkpoint.pt", weights_only=True)
    assert state["step"] == 6
    interrupted(tiny_data, tmp_path)
    folder = train_gpt2(tiny_data, tmp_path, 6, resume=True)
    again = load_file(folder / "model.safetensors")
    for name, weight in load_file(trained / "model.safetensors").items():
        assert torch.equal(weight, again[name]), name


def interrupted(data: Path, out: Path) -> None:
    """Leave the checkpoint that a run of six steps has after its third."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.progress.Budget.fraction_done", fraction_of_six_until_three)
        train_gpt2(data, out, 6)


def fraction_of_six_until_three(_self: object, _elapsed_s: float, step: int) -> float:
    """Count as a budget of six steps does, but end after three."""
    return 1.0 if step == 3 else step / 6


def test_the_folder_loads_plainly_with_every_vocabulary_entry(trained: Path) -> None:
    model = GPT2LMHeadModel.from_pretrained(trained)
    tokenizer = AutoTokenizer.from_pretrained(trained)
    assert model.dtype == torch.float16
    assert model.config.vocab_size == len(tokenizer)
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert tokenizer.model_max_length == GPT2.positions
    assert model.config.activation_function == "gelu_new"


def test_the_card_tells_data_licences_figures_and_samples(trained: Path) -> None:
    card = (trained / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: ")
    assert "CDLA-Sharing-1.0" in card
    assert "held-out stories" in card
    assert card.count("\n1. Once upon a time") == 10


def test_training_can_start_from_a_packed_model(tiny_data: Path, trained: Path, tmp_path: Path) -> None:
    train_gpt2(tiny_data, tmp_path, 1, initial=trained)
    started = torch.load(tmp_path / "gpt2.checkpoint.pt", weights_only=True)["model"]
    block = "transformer.h.0.mlp.c_fc.weight"
    packed = load_file(trained / "model.safetensors")[block].float()
    assert (started[block] - packed).abs().max() < 0.05


def test_a_stream_reads_each_document_once_in_an_epoch() -> None:
    documents = [torch.tensor([index, index, 99]) for index in range(10)]
    stream = TokenStream(documents, seed=0)
    epoch = stream.read(0, stream.length)
    assert sorted(epoch.tolist()) == sorted(torch.cat(documents).tolist())
    assert torch.equal(stream.read(7, 40), torch.cat([stream.read(7, 20), stream.read(27, 20)]))


def test_rows_ask_for_the_next_token() -> None:
    inputs, targets = TokenStream([torch.arange(50)], seed=0).read_rows(3, 2, 5)
    assert inputs.tolist() == [[3, 4, 5, 6, 7], [8, 9, 10, 11, 12]]
    assert torch.equal(targets, inputs + 1)


def test_perplexity_of_a_model_that_knows_nothing_is_the_vocabulary_size() -> None:
    model = build_model(Gpt2Settings(width=8, layers=1, heads=1), 50)
    with torch.no_grad():
        model.transformer.wte.weight.zero_()
    assert perplexity(model, torch.randint(50, (100,)), window=10) == pytest.approx(50, rel=1e-4)


def test_entries_are_spelled_with_word_pieces(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    vocabulary = bert_tokenizer.get_vocab()

    def pieces(entry: str) -> list[str]:
        return [str(bert_tokenizer.decode([piece])) for piece in spell(entry, bert_tokenizer, vocabulary)]

    assert pieces(" dog") == ["dog"]
    assert pieces("Dog") == ["dog"]
    assert pieces("s") == ["##s"]
    assert pieces("\n") == []


def test_borrowed_rows_are_as_large_as_the_others(gpt2_tokenizer: PreTrainedTokenizerBase, tiny_encoder: Path) -> None:
    model = build_model(Gpt2Settings(width=8, layers=1, heads=1), len(gpt2_tokenizer))
    before = model.transformer.wte.weight.detach().clone()
    count = borrow_embeddings(model, torch.arange(len(gpt2_tokenizer)), gpt2_tokenizer, tiny_encoder)
    after = model.transformer.wte.weight.detach()
    assert 0 < count < len(gpt2_tokenizer)
    assert int((before != after).any(1).sum()) == count
    assert after.std() == pytest.approx(float(before.std()), rel=0.2)


@pytest.mark.parametrize("lengths", [(0,), (513,)])
def test_a_row_length_outside_the_positions_is_refused(lengths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be in 1-512"):
        Gpt2Settings(late_lengths=lengths)


def test_the_command_line_knows_its_options() -> None:
    options = parse_arguments(["--data", "d", "--out", "o", "--minutes", "5", "--resume"])
    assert (options.minutes, options.resume, options.init) == (5.0, True, None)

"""The lean GPT-2 against transformers' GPT2LMHeadModel, and its cache against reading everything again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.engine.generation.decoding import PrefixCache, read_prompt
from core.engine.networks.causal import CausalModel
from core.engine.networks.gpt2 import GPT2, GPT2Config
from core.engine.networks.loading import LoadedCausal
from core.errors import ModelFormatError
from tests.builders import Builder
from tests.loaded import evaluated, load_causal_folder

TOLERANCE = 1e-4
IDS = [464, 3290, 11, 290, 262, 3797, 262, 3290]

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "error-function gelu": {"activation_function": "gelu"},
    "gelu_pytorch_tanh": {"activation_function": "gelu_pytorch_tanh"},
    "gelu_fast": {"activation_function": "gelu_fast"},
    "unscaled attention": {"scale_attn_weights": False},
    "attention scaled by layer": {"scale_attn_by_inverse_layer_idx": True},
    "reordered attention": {"reorder_and_upcast_attn": True},
    "narrow inner layer": {"n_inner": 48},
    "head of its own": {"tie_word_embeddings": False},
    "other epsilon, one head, three layers": {"layer_norm_epsilon": 0.1, "n_head": 1, "n_layer": 3},
    "small vocabulary plus padding rows": {"vocab_size": 50304},
}


def logits_after(model: CausalModel, ids: list[int]) -> Tensor:
    """(V,) logits after reading everything at once."""
    return model.forward(torch.tensor([ids]), model.new_cache())[0]


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=1e-4)


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_logits_equal_transformers_for_every_variant(changes: dict[str, Any], build_gpt2: Builder) -> None:
    from transformers import GPT2LMHeadModel  # seconds, for the tests that need it

    folder = build_gpt2("variant", **changes)
    model = load_causal_folder(folder).model
    reference = evaluated(GPT2LMHeadModel.from_pretrained(folder))
    assert isinstance(model, GPT2)
    with torch.inference_mode():
        for length in (1, 2, len(IDS)):
            assert_close(logits_after(model, IDS[:length]), reference(torch.tensor([IDS[:length]])).logits[0, -1])
    assert model.parameters == sum(weight.numel() for weight in reference.parameters())


def test_weights_without_the_transformer_prefix_load_too(gpt2_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bare"
    shutil.copytree(gpt2_folder, folder)
    weights = load_file(folder / "model.safetensors")
    bare = {name.removeprefix("transformer."): tensor for name, tensor in weights.items()}
    assert bare.keys() != weights.keys()
    save_file(bare, folder / "model.safetensors")
    expected = logits_after(load_causal_folder(gpt2_folder).model, IDS)
    assert torch.equal(logits_after(load_causal_folder(folder).model, IDS), expected)


def test_mask_buffers_of_old_checkpoints_are_left_out(gpt2_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(gpt2_folder, folder)
    weights = load_file(folder / "model.safetensors")
    weights["transformer.h.0.attn.bias"] = torch.ones(1, 1, 64, 64).tril()
    weights["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(weights, folder / "model.safetensors")
    expected = logits_after(load_causal_folder(gpt2_folder).model, IDS)
    assert_close(logits_after(load_causal_folder(folder).model, IDS), expected)


def test_reading_in_steps_of_any_size_equals_reading_at_once(loaded_gpt2: LoadedCausal) -> None:
    model = loaded_gpt2.model
    for sizes in ((1,) * 8, (3, 1, 4), (7, 1), (1, 7), (2, 2, 4)):
        cache = model.new_cache()
        read = 0
        for size in sizes:
            logits = model.forward(torch.tensor([IDS[read : read + size]]), cache)[0]
            read += size
            assert cache.length == read
            assert_close(logits, logits_after(model, IDS[:read]))


def test_the_cache_holds_all_positions_and_no_more(loaded_gpt2: LoadedCausal) -> None:
    model = loaded_gpt2.model
    ids = [position * 7 % 5000 for position in range(model.n_positions)]
    cache = model.new_cache()
    for token_id in ids:
        logits = model.forward(torch.tensor([[token_id]]), cache)
    assert cache.length == model.n_positions
    assert_close(logits[0], logits_after(model, ids))


def test_a_truncated_cache_continues_as_if_the_rest_was_never_read(loaded_gpt2: LoadedCausal) -> None:
    model = loaded_gpt2.model
    cache = model.new_cache()
    model.forward(torch.tensor([IDS]), cache)
    cache.truncate(3)
    assert cache.length == 3
    other = [11, 12, 13]
    assert_close(model.forward(torch.tensor([other]), cache)[0], logits_after(model, IDS[:3] + other))
    cache.truncate(100)
    assert cache.length == 6


def test_kept_rows_go_on_as_they_were(loaded_gpt2: LoadedCausal) -> None:
    model = loaded_gpt2.model
    cache = model.new_cache()
    model.forward(torch.tensor([IDS]), cache)
    cache.keep_rows([0, 0, 0])
    assert cache.batch == 3
    model.forward(torch.tensor([[1], [2], [3]]), cache)
    cache.keep_rows([2, 0])
    logits = model.forward(torch.tensor([[4], [5]]), cache)
    assert_close(logits[0], logits_after(model, [*IDS, 3, 4]))
    assert_close(logits[1], logits_after(model, [*IDS, 1, 5]))


def test_a_prompt_that_starts_like_the_last_one_reads_only_the_rest(loaded_gpt2: LoadedCausal) -> None:
    prefix = PrefixCache(loaded_gpt2.model.new_cache())
    for ids in (IDS, [*IDS, 5, 6], [*IDS[:4], 9], IDS, IDS, [1], [*IDS[:2]]):
        assert_close(read_prompt(loaded_gpt2, ids, prefix)[0], logits_after(loaded_gpt2.model, ids))
        assert prefix.cache.length == len(ids)


@pytest.mark.parametrize(
    ("held", "wanted", "rest"),
    [
        ([1, 2, 3], [1, 2, 3, 4], [4]),
        ([1, 2, 3], [1, 2, 9, 4], [9, 4]),
        ([1, 2, 3], [1, 2, 3], [3]),
        ([1, 2, 3], [1], [1]),
        ([], [1, 2], [1, 2]),
    ],
)
def test_what_is_left_to_read_is_never_nothing(
    held: list[int], wanted: list[int], rest: list[int], loaded_gpt2: LoadedCausal
) -> None:
    prefix = PrefixCache(loaded_gpt2.model.new_cache())
    if held:
        read_prompt(loaded_gpt2, held, prefix)
    assert prefix.rewind(wanted) == rest


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= changes
    path.write_text(json.dumps({name: value for name, value in config.items() if value != "absent"}), encoding="utf-8")


def remove_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, folder / "model.safetensors")


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


BROKEN: list[tuple[str, Callable[[Path], None], str]] = [
    ("more layers than weights", lambda folder: edit_config(folder, n_layer=3), r"the weights lack h\.2\.ln_1\.weight"),
    ("another width", lambda folder: edit_config(folder, n_embd=64), r"wte\.weight is 50257×32, .* 50257×64"),
    ("more positions", lambda folder: edit_config(folder, n_positions=128), r"wpe\.weight is 64×32"),
    ("width not divisible by heads", lambda folder: edit_config(folder, n_head=5), "impossible sizes"),
    ("no layers", lambda folder: edit_config(folder, n_layer=0), "impossible sizes"),
    ("no width", lambda folder: edit_config(folder, n_embd="absent"), "lacks a usable 'n_embd'"),
    ("width is text", lambda folder: edit_config(folder, n_embd="wide"), "lacks a usable"),
    ("unknown activation", lambda folder: edit_config(folder, activation_function="relu"), "activation 'relu'"),
    ("fewer entries than the tokenizer", lambda folder: edit_config(folder, vocab_size=50000), r"wte\.weight"),
    ("a weight is missing", remove_weight, r"the weights lack h\.1\.mlp\.c_fc\.weight"),
    ("the file is cut off", cut_weights, "cannot be read"),
]


@pytest.mark.parametrize(("break_it", "message"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_weights_and_config_that_do_not_fit_are_a_format_error(
    break_it: Callable[[Path], None], message: str, gpt2_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(gpt2_folder, folder)
    break_it(folder)
    with pytest.raises(ModelFormatError, match=message):
        load_causal_folder(folder)


def test_a_vocabulary_smaller_than_the_tokenizers_is_a_format_error(build_gpt2: Builder) -> None:
    with pytest.raises(ModelFormatError, match="tokenizer"):
        load_causal_folder(build_gpt2("short-vocabulary", vocab_size=50000))


def test_the_config_takes_transformers_defaults_for_what_it_leaves_out() -> None:
    sizes = {"vocab_size": 10, "n_positions": 8, "n_embd": 4, "n_layer": 1, "n_head": 2}
    config = GPT2Config.from_json(sizes)
    assert (config.layer_norm_epsilon, config.activation) == (1e-5, "gelu_tanh")
    assert (config.scale_attn_weights, config.scale_attn_by_inverse_layer_idx) == (True, False)

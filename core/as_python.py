"""A run as a short transformers script, as one would write it by hand: the same model, prompt and settings.

Greedy runs and beam searches come out equal in float32. Drawn ones do not: nlp-tui draws each token with noise of its
own for each entry of the vocabulary (see `core.sampling.draw`), transformers with `torch.multinomial`; the script says
so. Every text of the user's stands in it through `repr`.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.records import ModelInfo
from core.registry import Source
from core.sampling_params import SamplingParams

TOP = 10
"""How many candidates the script prints."""

_IDS_A_LINE = 12


def as_python(info: ModelInfo, prompt: str, params: SamplingParams, prompt_ids: Sequence[int] = ()) -> str:
    """The script of a run.

    Args:
        info: the model, as it was loaded.
        prompt: the text to continue.
        params: the settings the run began with.
        prompt_ids: read exactly these tokens; empty where they are what the tokenizer makes of the prompt.

    Returns:
        Python source that ends with a newline.
    """
    drawn = not params.greedy and params.num_beams == 1
    names = ["AutoModelForCausalLM", "AutoTokenizer", "GenerationConfig"] + ["set_seed"] * drawn
    name = info.name if info.source == Source.CACHE else info.path
    blocks = [
        f"import torch\nfrom transformers import {', '.join(names)}",
        _loading(info, name),
        _reading(prompt, prompt_ids, info.device),
        _writing(info, params, drawn),
        _table(),
    ]
    return "\n\n".join(blocks) + "\n"


def _loading(info: ModelInfo, name: str) -> str:
    dtype = info.dtype if info.dtype in ("float16", "bfloat16") else "float32"
    note = ""
    if info.dtype != "float32":
        note = f"# nlp-tui ran it in {info.dtype} with kernels of its own: expect small differences.\n"
    to_device = "" if info.device == "cpu" else f".to({info.device!r})"
    return (
        f"name = {name!r}\n"
        "tokenizer = AutoTokenizer.from_pretrained(name)\n"
        f"{note}model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.{dtype}){to_device}.eval()\n"
        "ends = model.generation_config.eos_token_id\n"
        "model.generation_config = GenerationConfig()  # only the settings below are on"
    )


def _reading(prompt: str, prompt_ids: Sequence[int], device: str) -> str:
    to_device = "" if device == "cpu" else f".to({device!r})"
    if not prompt_ids:
        return f'prompt = {prompt!r}\ninput_ids = tokenizer(prompt, return_tensors="pt").input_ids{to_device}'
    lines = [
        "    " + ", ".join(map(str, prompt_ids[start : start + _IDS_A_LINE])) + ","
        for start in range(0, len(prompt_ids), _IDS_A_LINE)
    ]
    ids = "\n".join(lines)
    return (
        f"# {prompt!r}, as the tokens that were read: the tokenizer would split this text in another way.\n"
        f"prompt_ids = [\n{ids}\n]\n"
        f"input_ids = torch.tensor([prompt_ids]){to_device}"
    )


def _writing(info: ModelInfo, params: SamplingParams, drawn: bool) -> str:
    """The call of `generate` and the text."""
    head = []
    if drawn:
        head = [
            "# nlp-tui draws with random numbers of its own, not with torch.multinomial: the same seed writes another",
            "# text here, from the same probabilities. With do_sample=False the text is the same.",
            f"set_seed({params.seed})",
        ]
    call = ["output = model.generate(", "    input_ids,", "    attention_mask=torch.ones_like(input_ids),"]
    call += [f"    {setting}," for setting in _settings(info, params, drawn)]
    tail = [")", "for sequence in output:", "    print(tokenizer.decode(sequence, skip_special_tokens=True))"]
    return "\n".join([*head, *call, *tail])


def _settings(info: ModelInfo, params: SamplingParams, drawn: bool) -> list[str]:
    """The arguments of `generate` that are on, as source."""
    settings = [f"do_sample={drawn}", _length(info, params)]
    if drawn:
        settings += [f"temperature={params.temperature!r}"] * (params.temperature != 1)
        settings += [f"top_k={params.top_k}"]  # transformers' own default is 50, so off is said too
        settings += [f"top_p={params.top_p!r}"] * (params.top_p != 1)
        settings += [f"min_p={params.min_p!r}"] * (params.min_p != 0)
        settings += [f"typical_p={params.typical_p!r}"] * (params.typical_p != 1)
    settings += [f"num_beams={params.num_beams}"] * (params.num_beams > 1)
    if params.num_return_sequences > 1 and (drawn or params.num_beams > 1):  # greedy ones would all be the same
        settings.append(f"num_return_sequences={params.num_return_sequences}")
    settings += [f"repetition_penalty={params.repetition_penalty!r}"] * (params.repetition_penalty != 1)
    settings += [f"no_repeat_ngram_size={params.no_repeat_ngram_size}"] * (params.no_repeat_ngram_size != 0)
    if params.stop_strings:
        settings += [f"stop_strings={list(params.stop_strings)!r}", "tokenizer=tokenizer"]
    return [*settings, "eos_token_id=ends", "pad_token_id=tokenizer.eos_token_id"]


def _length(info: ModelInfo, params: SamplingParams) -> str:
    """How long the text may become: as asked for, and never longer than the model's positions."""
    positions = info.n_positions
    if params.max_length:
        return f"max_length={min(params.max_length, positions)}"
    return f"max_new_tokens=min({params.max_new_tokens}, {positions} - input_ids.shape[1])"


def _table() -> str:
    return (
        "# What may come next: the model's own softmax over the whole vocabulary.\n"
        "with torch.no_grad():\n"
        "    logits = model(input_ids).logits[0, -1].float()\n"
        f"probabilities, ids = logits.softmax(-1).topk({TOP})\n"
        "for rank, (probability, id_) in enumerate(zip(probabilities.tolist(), ids.tolist()), start=1):\n"
        '    print(f"{rank:>4} {id_:>6} {probability:.7f}  {tokenizer.decode([id_])!r}")'
    )

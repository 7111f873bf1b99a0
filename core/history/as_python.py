"""A run as a short transformers script, as one would write it by hand: the same model, prompt and settings.

Greedy runs and beam searches come out equal in float32. Drawn ones do not: nlp-tui draws each token with noise of its
own for each entry of the vocabulary (see `sampling.draw`), transformers with `torch.multinomial`; the script says
so. Where settings were changed on the way, the script changes them at the same tokens. Every text of the user's stands
in it through `repr`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from core.messages.records import ModelInfo
from core.messages.sampling_params import SAMPLERS, SETTINGS, SamplingParams, describe_change
from core.models.registry import Source

_TOP = 10
"""How many candidates the script prints."""

_IDS_A_LINE = 12


Stages: TypeAlias = Sequence[tuple[int, SamplingParams]]
"""Settings, each with the first new token they chose; the first is 0."""


def as_python(
    info: ModelInfo,
    prompt: str,
    params: SamplingParams,
    prompt_ids: Sequence[int] = (),
    retunes: Sequence[tuple[int, SamplingParams]] = (),
) -> str:
    """The script of a run.

    Args:
        info: the model, as it was loaded.
        prompt: the text to continue.
        params: the settings the run began with.
        prompt_ids: read exactly these tokens; empty where they are what the tokenizer makes of the prompt.
        retunes: other settings, each with the first new token they chose.

    Returns:
        Python source that ends with a newline.
    """
    stages = sorted({0: params, **dict(retunes)}.items())
    drawn = any(settings.way is None for _, settings in stages)
    names = ["AutoModelForCausalLM", "AutoTokenizer", "GenerationConfig"] + ["set_seed"] * drawn
    name = info.name if info.source == Source.CACHE else info.path
    blocks = [
        "".join(f"# {change}\n" for change in _changes(stages))
        + f"import torch\nfrom transformers import {', '.join(names)}",
        _loading(info, name),
        _reading(prompt, prompt_ids, info.device),
        _writing(info, params, drawn) if len(stages) == 1 else _writing_in_stages(info, stages, drawn),
        _table(),
    ]
    return "\n\n".join(blocks) + "\n"


def _changes(stages: Stages) -> list[str]:
    """What was changed on the way, a sentence each."""
    return [
        f"Settings were changed at new token {start + 1}: {describe_change(before, after)}."
        for (_, before), (start, after) in pairwise(stages)
    ]


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
    several = params.num_return_sequences > 1 and (drawn or params.num_beams > 1)  # greedy ones would all be the same
    do_sample, *choosing = _choosing(params)
    settings = [
        *(do_sample, _length(info, params), *choosing),
        *[f"num_return_sequences={params.num_return_sequences}"] * several,
        *_always(params),
        *_ENDS,
    ]
    call = ["output = model.generate(", "    input_ids,", "    attention_mask=torch.ones_like(input_ids),"]
    call += [f"    {setting}," for setting in settings]
    tail = [")", "for sequence in output:", "    print(tokenizer.decode(sequence, skip_special_tokens=True))"]
    return "\n".join([*_seeding(params, drawn), *call, *tail])


def _writing_in_stages(info: ModelInfo, stages: Stages, drawn: bool) -> str:
    """A call of `generate` for each stage, which goes on after the one before, and the text."""
    first = stages[0][1]
    untils = [str(start) for start, _ in stages[1:]] + [_last_until(info, *stages[-1])]
    rows = [
        f"    ({until}, dict({', '.join(_choosing(params) + _always(params))})),"
        for until, (_, params) in zip(untils, stages, strict=True)
    ]
    has_stops = any(params.stop_strings for _, params in stages)
    text = ["    text = tokenizer.decode(ids[0, input_ids.shape[1] :])"] * has_stops
    by_text = ' or any(stop in text for stop in settings.get("stop_strings", ()))' * has_stops
    loop = [
        "ids = input_ids",
        "for new_tokens, settings in stages:",
        "    length = input_ids.shape[1] + new_tokens",
        "    ids = model.generate(",
        "        ids,",
        "        attention_mask=torch.ones_like(ids),",
        "        max_length=length,",
        "        **settings,",
        *(f"        {setting}," for setting in _ENDS),
        "    )",
        *text,
        f"    if ids.shape[1] < length or ids[0, -1].item() in stops{by_text}:",
        "        break  # it ended before the settings changed",
        "print(tokenizer.decode(ids[0], skip_special_tokens=True))",
    ]
    if drawn and first.num_return_sequences > 1:
        loop = [f"for _ in range({first.num_return_sequences}):", *(f"    {line}" for line in loop)]
    return "\n".join(
        [
            *_seeding(first, drawn),
            "stages = [  # until how many new tokens which settings act",
            *rows,
            "]",
            "stops = ends if isinstance(ends, list) else [ends]",
            *loop,
        ]
    )


def _seeding(params: SamplingParams, drawn: bool) -> list[str]:
    if not drawn:
        return []
    return [
        "# nlp-tui draws with random numbers of its own, not with torch.multinomial: the same seed writes another",
        "# text here, from the same probabilities. With do_sample=False the text is the same.",
        f"set_seed({params.seed})",
    ]


_ENDS = ("eos_token_id=ends", "pad_token_id=tokenizer.eos_token_id")


def _choosing(params: SamplingParams) -> list[str]:
    """The arguments of `generate` that say how a token is drawn, or searched for, as source."""
    drawn = params.way is None
    settings = [f"do_sample={drawn}"] + (_samplers(params, drawing=True) if drawn else [])
    return settings + [f"num_beams={params.num_beams}"] * (params.num_beams > 1)


def _always(params: SamplingParams) -> list[str]:
    """Those that act in every way of choosing."""
    settings = _samplers(params, drawing=False)
    if params.stop_strings:
        settings += [f"stop_strings={list(params.stop_strings)!r}", "tokenizer=tokenizer"]
    return settings


def _samplers(params: SamplingParams, *, drawing: bool) -> list[str]:
    """The samplers that act, those that need a draw or the others; top_k if off, too: it is 50 in transformers."""
    values = {name: getattr(params, name) for name in SAMPLERS if bool(SETTINGS[name].inert) is drawing}
    return [f"{name}={value!r}" for name, value in values.items() if value != SETTINGS[name].idle or name == "top_k"]


def _last_until(info: ModelInfo, start: int, params: SamplingParams) -> str:
    """How many new tokens there may be at the end; at least one of the last stage."""
    positions = info.n_positions
    if params.max_length:
        return f"max({start + 1}, {min(params.max_length, positions)} - input_ids.shape[1])"
    return f"min({max(start + 1, params.max_new_tokens)}, {positions} - input_ids.shape[1])"


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
        f"probabilities, ids = logits.softmax(-1).topk({_TOP})\n"
        "for rank, (probability, id_) in enumerate(zip(probabilities.tolist(), ids.tolist()), start=1):\n"
        '    print(f"{rank:>4} {id_:>6} {probability:.7f}  {tokenizer.decode([id_])!r}")'
    )

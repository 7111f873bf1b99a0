"""A run as the command that repeats it: `nlp-tui generate …` with what differs from the defaults, for a POSIX shell.

Invariant: the shell hands exactly the prompt and the settings of the run to the command, whatever they hold; nothing
in the line is a character that a terminal obeys, except newlines inside quotes.
"""

from __future__ import annotations

import shlex

from core.errors import InputError
from core.messages.sampling_params import SETTINGS, SamplingParams
from core.models.registry import DEFAULT_GENERATOR
from core.text.visible import visible

_BYTE_ORDER_MARK = "\ufeff"


def as_command(
    model: str,
    prompt: str,
    params: SamplingParams,
    *,
    device: str = "auto",
    dtype: str = "auto",
    truncate: bool = False,
) -> str:
    """The command line of a run.

    Args:
        model: as the user named it.
        prompt: the text to continue.
        params: the settings; the seed is always given.
        device: auto, or where it shall run.
        dtype: auto, or the precision.
        truncate: keep the end of a prompt that is too long.

    Returns:
        One command, which a shell reads back as it was meant; more than one line when a text has newlines.

    Raises:
        InputError: a stop string is `--` or holds a NUL, or a text has no UTF-8 form: no command line can carry it.
    """
    words = ["nlp-tui", "generate"]
    if model != DEFAULT_GENERATOR:
        words.append(f"--model={shlex.quote(model)}" if model.startswith("-") else f"--model {shlex.quote(model)}")
    words += [f"--{name} {value}" for name, value in (("device", device), ("dtype", dtype)) if value != "auto"]
    words += _settings(params)
    words += ["--truncate"] if truncate else []
    if prompt == "-" or _unsafe(prompt):  # a lone dash would ask for standard input
        text = _BYTE_ORDER_MARK * prompt.startswith(_BYTE_ORDER_MARK) + prompt  # a first one is taken off there
        return f"printf %b {_escaped(text, 'the prompt')} | {' '.join(words)} -"
    _check(prompt, "the prompt")
    return " ".join([*words, *(["--"] if prompt.startswith("-") else []), shlex.quote(prompt)])


def _settings(params: SamplingParams) -> list[str]:
    """The options of the settings that differ from the defaults, and the seed."""
    defaults = SamplingParams()
    words = []
    for name in SETTINGS:
        value = getattr(params, name)
        if value != getattr(defaults, name):
            words.append(f"--{name.replace('_', '-')} {value!r}")
    words += [] if params.do_sample else ["--greedy"]
    words.append(f"--seed {params.seed}")
    return words + [f"--stop-string={_stop_string(stop)}" for stop in params.stop_strings]


def _stop_string(stop: str) -> str:
    """A stop string as a word of the shell."""
    if "\0" in stop or stop == "--":  # argparse takes a lone -- for a separator wherever it stands
        what = "is --" if stop == "--" else "holds a NUL"
        raise InputError(f"a stop string {what}, which no command line can carry", "export the run instead")
    _check(stop, "a stop string")
    if not _unsafe(stop):
        return shlex.quote(stop)
    text = stop.rstrip("\n")  # $(…) drops newlines at its end
    return f'"$(printf %b {_escaped(text, "a stop string")})"' + (shlex.quote("\n" * (len(stop) - len(text))))


def _unsafe(text: str) -> bool:
    """Whether a text holds what a terminal would obey when the line is pasted, or what cannot be seen."""
    return visible(text) != text.replace("\n", "␊")


def _check(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{what} has no UTF-8 form, so no command line can carry it", "export the run instead"
        ) from None


def _escaped(text: str, what: str) -> str:
    """A text for `printf %b`: hidden characters as octal bytes, the rest as it is, quoted."""
    _check(text, what)
    parts = ("\\\\" if one == "\\" else _octal(one) if _unsafe(one) else one for one in text)
    return shlex.quote("".join(parts))


def _octal(character: str) -> str:
    return "".join(f"\\0{byte:03o}" for byte in character.encode())

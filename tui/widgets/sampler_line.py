"""The line over the candidates: the samplers in the order in which they act, and the setting that its keys turn."""

from __future__ import annotations

from core.messages.sampling_params import RANGES, SamplingParams, inert_reason

KNOBS = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "repetition_penalty": "penalty",
    "no_repeat_ngram_size": "no_repeat",
}
"""The settings that shape the table, and what they are called over it."""


def sampler_order(params: SamplingParams, knob: str = "") -> tuple[str, str, str]:
    """The samplers that act, in the order in which they do, one of them marked.

    Args:
        params: the settings of the table.
        knob: what is marked, as it stands in the line; in front where it does not stand there.

    Returns:
        What comes before the mark, what is marked, and what comes after it.
    """
    drawing = not inert_reason("top_p", params)
    active = (
        ("repetition_penalty", params.repetition_penalty != 1),
        ("no_repeat_ngram_size", bool(params.no_repeat_ngram_size)),
        ("temperature", drawing and params.temperature != 1),
        ("top_k", drawing and bool(params.top_k)),
        ("top_p", drawing and params.top_p < 1),
        ("min_p", drawing and bool(params.min_p)),
        ("typical_p", drawing and params.typical_p < 1),
    )
    names = [f"{KNOBS[name]} {getattr(params, name):g}" for name, is_on in active if is_on]
    if params.num_beams > 1:
        names.append(f"{params.num_beams} beams: the likeliest texts; temperature and cuts do nothing")
    elif params.greedy:
        names.append("greedy: the likeliest token, always; temperature and cuts do nothing")
    names = names or ["nothing is cut: the model's own distribution"]
    at = names.index(knob) if knob in names else -1
    before = "".join(f"{name} → " for name in names[: max(at, 0)])
    after = " → ".join(names[at + 1 :])
    return before, f"‹{knob}›" if knob else "", (" " if at < 0 and knob else " → " if at >= 0 and after else "") + after


def knob_text(name: str, params: SamplingParams) -> str:
    """A setting's name and value, and why it does nothing where it does nothing."""
    value, reason = getattr(params, name), inert_reason(name, params)
    is_off = name != "temperature" and value == RANGES[name].off
    return f"{KNOBS[name]} {value:g}" + (f", {reason}" if reason else " off" if is_off else "")

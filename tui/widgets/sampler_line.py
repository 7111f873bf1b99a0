"""The line over the candidates: the samplers in the order in which they act, and the setting that its keys turn."""

from __future__ import annotations

from core.messages.sampling_params import SAMPLERS, SETTINGS, SamplingParams, Way, inert_reason

KNOBS = {name: setting.label for name, setting in SETTINGS.items() if setting.label}
"""The settings that shape the table, and what they are called over it."""


def sampler_order(params: SamplingParams, knob: str = "") -> tuple[str, str, str]:
    """The samplers that act, in the order in which they do, one of them marked.

    Args:
        params: the settings of the table.
        knob: what is marked, as it stands in the line; in front where it does not stand there.

    Returns:
        What comes before the mark, what is marked, and what comes after it.
    """
    way = params.way
    acting = [name for name in SAMPLERS if way not in SETTINGS[name].inert]
    values = {name: getattr(params, name) for name in acting}
    names = [f"{KNOBS[name]} {value:g}" for name, value in values.items() if value != SETTINGS[name].idle]
    if way is Way.BEAMS:
        names.append(f"{params.num_beams} beams: the likeliest texts; temperature and cuts do nothing")
    elif way is Way.GREEDY:
        names.append("greedy: the likeliest token, always; temperature and cuts do nothing")
    names = names or ["nothing is cut: the model's own distribution"]
    at = names.index(knob) if knob in names else -1
    before = "".join(f"{name} → " for name in names[: max(at, 0)])
    after = " → ".join(names[at + 1 :])
    return before, f"‹{knob}›" if knob else "", (" " if at < 0 and knob else " → " if at >= 0 and after else "") + after


def knob_text(name: str, params: SamplingParams) -> str:
    """A setting's name and value, and why it does nothing where it does nothing."""
    value, reason = getattr(params, name), inert_reason(name, params)
    is_off = value == SETTINGS[name].off == SETTINGS[name].idle
    return f"{KNOBS[name]} {value:g}" + (f", {reason}" if reason else " off" if is_off else "")

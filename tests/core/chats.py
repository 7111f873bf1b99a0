"""A chat template like those of small instruct models, and a folder that has it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ bos_token + 'system: be kind\n' }}{% endif %}"
    "{{ message['role'] + ': ' + message['content'] + eos_token + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)
EOS = "<|endoftext|>"


def make_chat(folder: Path, target: Path, template: object = TEMPLATE) -> Path:
    """Copy a model's folder and give it a chat template in its tokenizer's config."""
    shutil.copytree(folder, target)
    path = target / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template}))
    return target

"""llama.cpp through llama-cpp-python, on a GGUF file written from the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.ways.serve import Options, Request, Run, Write, serve

_KINDS = {"float32": "F32", "float16": "F16", "int8": "Q8_0"}
_LAYER_NAMES = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
_OTHER_NAMES = {"wte.weight": "token_embd.weight", "wpe.weight": "position_embd.weight"}


def make(options: Options) -> tuple[Run, str]:
    """Write the file once, then load it."""
    from llama_cpp import Llama

    kind = _KINDS[options.precision]
    path = options.work / f"gpt2-{kind}.gguf"
    if not path.exists():
        write_gguf(options.model, path, kind)
    model = Llama(str(path), n_ctx=1024, n_threads=options.threads, n_threads_batch=options.threads, verbose=False)

    def run(request: Request, write: Write) -> None:
        tokens = model.generate(request.ids, top_k=1, temp=0.0, repeat_penalty=1.0)
        for _ in range(request.new_tokens):
            write(next(tokens))

    return run, ""


def write_gguf(model: Path, path: Path, kind: str) -> None:
    """Write a GPT-2 folder as GGUF, matrices in `kind`, all else float32.

    Names and keys are those of gguf-py's GPT2 architecture.
    """
    import gguf
    from safetensors.numpy import load_file

    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(str(path), "gpt2")
    writer.add_block_count(config["n_layer"])
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    _add_vocabulary(writer, model)
    matrix_type = gguf.GGMLQuantizationType[kind]
    for name, values in load_file(model / "model.safetensors").items():
        name = name.removeprefix("transformer.")
        if name.startswith("lm_head"):
            continue
        if values.ndim == 2 and not name.startswith(("wte", "wpe")):
            values = values.T.copy()  # checkpoints hold [in, out]
        if values.ndim == 2 and not name.startswith("wpe"):
            quantized = gguf.quants.quantize(values, matrix_type)
            writer.add_tensor(_gguf_name(name), quantized, raw_dtype=matrix_type)
        else:
            writer.add_tensor(_gguf_name(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: Any, model: Path) -> None:
    import gguf

    bpe = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    tokens = sorted(bpe["vocab"], key=bpe["vocab"].__getitem__)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in bpe["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([int(gguf.TokenType.NORMAL)] * len(tokens))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_eos_token_id(len(tokens) - 1)


def _gguf_name(name: str) -> str:
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    if name.startswith("ln_f."):
        return name.replace("ln_f", "output_norm")
    _, layer, rest = name.split(".", 2)
    part, _, leaf = rest.rpartition(".")
    return f"blk.{layer}.{_LAYER_NAMES[part]}.{leaf}"


if __name__ == "__main__":
    serve(make)

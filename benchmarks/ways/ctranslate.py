"""CTranslate2, from its own converter."""

from __future__ import annotations

from benchmarks.ways.serve import Options, Request, Run, Write, serve

_KINDS = {"float32": "float32", "int8": "int8"}


def make(options: Options) -> tuple[Run, str]:
    """Convert the model once, then load it."""
    import ctranslate2
    from transformers import AutoTokenizer

    kind = _KINDS[options.precision]
    folder = options.work / f"ctranslate2-{kind}"
    if not folder.exists():
        ctranslate2.converters.TransformersConverter(str(options.model)).convert(str(folder), quantization=kind)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    generator = ctranslate2.Generator(str(folder), device="cpu", compute_type=kind, intra_threads=options.threads)

    def run(request: Request, write: Write) -> None:
        tokens = tokenizer.convert_ids_to_tokens(request.ids)
        count = request.new_tokens
        for step in generator.generate_tokens(tokens, max_length=count, min_length=count, sampling_topk=1):
            write(step.token_id)

    return run, ""


if __name__ == "__main__":
    serve(make)

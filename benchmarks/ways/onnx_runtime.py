"""ONNX Runtime on the CPU, its caches handed from one step to the next without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.ways.serve import Options, Request, Run, Write, serve


def make(options: Options) -> tuple[Run, str]:
    """Write the file once, then load it."""
    import onnx  # noqa: F401  the exporter needs it
    import onnxruntime

    from benchmarks.ways.onnx_file import write_int8, write_onnx

    exact, path = options.work / "gpt2-float32.onnx", options.work / f"gpt2-{options.precision}.onnx"
    if not exact.exists():
        write_onnx(options.model, exact)
    if not path.exists():
        write_int8(exact, path)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    caches = session.get_inputs()[1:]
    outputs = [output.name for output in session.get_outputs()]
    value_of = onnxruntime.OrtValue.ortvalue_from_numpy

    def run(request: Request, write: Write) -> None:
        ids = request.ids
        empty = np.zeros((1, caches[0].shape[1], 0, caches[0].shape[3]), dtype=np.float32)
        held: list[Any] = [value_of(empty) for _ in caches]
        for _ in range(request.new_tokens):
            feed = {"ids": value_of(np.array([ids], dtype=np.int64))}
            feed.update({cache.name: value for cache, value in zip(caches, held, strict=True)})
            logits, *held = session.run_with_ort_values(outputs, feed)
            ids = [int(logits.numpy()[0].argmax())]
            write(ids[0])

    return run, ""


if __name__ == "__main__":
    serve(make)

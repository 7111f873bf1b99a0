"""What the engine process does with each request: loads models when they are first needed and answers in events.

Knows no pipe: events go to the `emit` it is given, which in a test is a list. One causal model and one classifier
are kept; asking for another replaces it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import torch

from core.beams import BeamSearch, BeamStep
from core.choosing import rank_candidates
from core.decoding import Decoder, PrefixCache, SequenceEnd, fit_prompt, read_prompt
from core.device import pick_device, pick_precision, use_all_cores
from core.loading import LoadedCausal, ProgressCallback, load_causal, load_pair_classifier
from core.protocol import (
    BeamsAdvanced,
    Candidates,
    Compare,
    Compared,
    Done,
    Event,
    Generate,
    Load,
    Loaded,
    Next,
    Progress,
    RunStarted,
    SequenceDone,
    TokenGenerated,
)
from core.records import ModelInfo
from core.registry import ResolvedModel, read_config, resolve
from core.tasks.similarity import compare
from core.warm_up import import_in_pieces

CANDIDATES_PER_EVENT = 1000

Work = Load | Generate | Next | Compare
"""The requests that are answered with work."""

Model = TypeVar("Model")


class _Slot(Generic[Model]):
    """The one model of a kind that is kept."""

    def __init__(self, loader: Callable[[ResolvedModel, torch.device, str, ProgressCallback], Model]) -> None:
        self._loader = loader
        self._key: tuple[str, str, str] | None = None
        self._model: Model | None = None

    @property
    def filled(self) -> bool:
        """Whether there is a model."""
        return self._model is not None

    def holds(self, request: Work) -> bool:
        """Whether the model a request needs is here."""
        return self._key == (request.model, request.device, request.dtype)

    def get(self, request: Work, progress: ProgressCallback) -> tuple[Model, bool]:
        """The model a request needs, and whether it had to be loaded."""
        if self._model is not None and self.holds(request):
            return self._model, False
        resolved = resolve(request.model)
        device = pick_device(request.device)
        precision = pick_precision(request.dtype, device)
        self._model = self._key = None  # the old weights go before the new ones come
        self._model = self._loader(resolved, device, precision, progress)
        self._key = (request.model, request.device, request.dtype)
        return self._model, True


class Engine:
    """Loaded models and the work done with them."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        use_all_cores()
        self._emit = emit
        self._causal = _Slot(load_causal)
        self._classifier = _Slot(load_pair_classifier)
        self._prefix: PrefixCache | None = None
        self._warm_up = import_in_pieces()

    def warm_up(self) -> bool:
        """Import a piece of what later requests need, once the generator is there; False when nothing is left."""
        return self._causal.filled and next(self._warm_up, None) is not None

    def is_short(self, request: Work) -> bool:
        """Whether a request can be answered between two tokens of a run: its model is there and it reads little."""
        match request:
            case Next():
                return self._causal.holds(request)
            case Compare():
                return self._classifier.holds(request)
            case _:
                return False

    def handle(self, request: Work, should_stop: Callable[[], bool], between_tokens: Callable[[], None]) -> None:
        """Answer one request; the last event is one of `LAST_EVENTS`.

        Args:
            request: what is asked.
            should_stop: whether it was cancelled.
            between_tokens: called after each token of a run, to let short requests in.

        Raises:
            EngineError: it cannot be answered; no last event was emitted.
        """
        match request:
            case Load():
                self._emit(Loaded(request.id, self._load(request)))
            case Generate():
                self._generate(request, should_stop, between_tokens)
            case Next():
                self._next(request)
            case Compare():
                loaded, _ = self._classifier.get(request, self._progress(request))
                self._emit(Compared(request.id, compare(loaded, request.first, request.second)))

    def _progress(self, request: Work) -> ProgressCallback:
        return lambda stage, fraction: self._emit(Progress(request.id, stage, fraction))

    def _load(self, request: Load) -> ModelInfo:
        architectures = read_config(resolve(request.model)).get("architectures") or ["none"]
        if str(architectures[0]).endswith("ForSequenceClassification"):
            return self._classifier.get(request, self._progress(request))[0].info
        return self._loaded_causal(request).info

    def _loaded_causal(self, request: Work) -> LoadedCausal:
        loaded, fresh = self._causal.get(request, self._progress(request))
        if fresh:
            self._prefix = None
        return loaded

    def _take_prefix(self, loaded: LoadedCausal) -> PrefixCache:
        """The cache of the last prompt, now the caller's alone; a new one when it is in use."""
        prefix, self._prefix = self._prefix, None
        return prefix or PrefixCache(loaded.model.new_cache())

    def _generate(self, request: Generate, should_stop: Callable[[], bool], between: Callable[[], None]) -> None:
        loaded = self._loaded_causal(request)
        began = time.perf_counter()  # loading has progress of its own and is no part of the time to the first token
        all_ids = loaded.tokenizer.ids(request.prompt)
        ids = fit_prompt(all_ids, loaded, request.params, truncate=request.truncate)
        prompt = request.prompt if len(ids) == len(all_ids) else loaded.tokenizer.decode(ids)
        self._emit(RunStarted(request.id, loaded.info, prompt, tuple(ids), request.params))
        prefix = self._take_prefix(loaded)
        method = BeamSearch if request.params.num_beams > 1 else Decoder
        for item in method(loaded, ids, request.params, should_stop, prefix=prefix, began=began).run():
            match item:
                case SequenceEnd():
                    end = (item.sequence, item.finish_reason, item.text, item.ids, item.stats)
                    self._emit(SequenceDone(request.id, *end))
                case BeamStep():
                    self._emit(BeamsAdvanced(request.id, item.index, item.beams))
                    between()
                case _:
                    self._emit(TokenGenerated(request.id, item))
                    between()
        if request.params.num_return_sequences == request.params.num_beams == 1 and self._prefix is None:
            self._prefix = prefix
        self._emit(Done(request.id))

    def _next(self, request: Next) -> None:
        loaded = self._loaded_causal(request)
        all_ids = loaded.tokenizer.ids(request.prompt)
        ids = fit_prompt(all_ids, loaded, request.params, truncate=request.truncate)
        prefix = self._take_prefix(loaded)
        logits = read_prompt(loaded, ids, prefix)[0]
        self._prefix = prefix
        top = request.top or loaded.info.vocab_size
        table = rank_candidates(logits, ids, request.params, loaded.tokenizer, top)
        for start in range(0, len(table), CANDIDATES_PER_EVENT):
            self._emit(Candidates(request.id, table[start : start + CANDIDATES_PER_EVENT]))
        self._emit(Done(request.id))

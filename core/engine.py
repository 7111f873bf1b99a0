"""What the engine process does with each request: loads models when they are first needed and answers in events.

Knows no pipe: events go to the `emit` it is given, which in a test is a list.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from core.beams import BeamSearch, BeamStep
from core.choosing import rank_candidates
from core.decoding import Decoder, PrefixCache, SequenceEnd, fit_prompt, read_prompt
from core.device import use_all_cores
from core.encoder_models import Head, LoadedEncoder, two_labelled
from core.loading import LoadedCausal, ProgressCallback
from core.protocol import (
    Answered,
    Ask,
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
    Work,
)
from core.records import ModelInfo
from core.registry import read_config, resolve
from core.shelf import Shelf
from core.tasks.answering import answer, is_short
from core.tasks.desk import Desk
from core.tasks.similarity import compare
from core.warm_up import import_in_pieces

CANDIDATES_PER_EVENT = 1000


class Engine:
    """Loaded models and the work done with them."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        use_all_cores()
        self._emit = emit
        self._shelf = Shelf()
        self._prefix: PrefixCache | None = None
        self._warm_up = import_in_pieces()

    def warm_up(self) -> bool:
        """Import a piece of what later requests need, once the generator is there; False when nothing is left."""
        return self._shelf.has_causal and next(self._warm_up, None) is not None

    def is_short(self, request: Work) -> bool:
        """Whether a request can be answered between two tokens of a run: its model is there and it reads little."""
        match request:
            case Next():
                return self._shelf.holds_causal(request.model, request.device, request.dtype)
            case Compare():
                return self._shelf.holds_encoder(Head.CLASSIFIER, request.model, request.device, request.dtype)
            case Ask(question=question, device=device, dtype=dtype):
                return is_short(question, self._shelf, device, dtype)
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
                self._emit(Compared(request.id, compare(self._classifier(request), request.first, request.second)))
            case Ask():
                desk = Desk(
                    self._shelf,
                    request.device,
                    request.dtype,
                    self._progress(request),
                    should_stop,
                    between_tokens,
                )
                for part in answer(desk, request.question):
                    self._emit(Answered(request.id, part))
                self._emit(Done(request.id))

    def _progress(self, request: Work) -> ProgressCallback:
        return lambda stage, fraction: self._emit(Progress(request.id, stage, fraction))

    def _load(self, request: Load) -> ModelInfo:
        architectures = read_config(resolve(request.model)).get("architectures") or ["none"]
        if str(architectures[0]).endswith("ForSequenceClassification"):
            return self._classifier(request).info
        return self._loaded_causal(request).info

    def _classifier(self, request: Load | Compare) -> LoadedEncoder:
        where = (request.model, request.device, request.dtype)
        return two_labelled(self._shelf.encoder(Head.CLASSIFIER, *where, self._progress(request)))

    def _loaded_causal(self, request: Load | Generate | Next) -> LoadedCausal:
        where = (request.model, request.device, request.dtype)
        loaded, fresh = self._shelf.causal(*where, self._progress(request))
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

"""What the engine process does with each request: loads models when they are first needed and answers in events.

Knows no pipe: events go to the `emit` it is given, which in a test is a list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from core.engine.generation.beams import BeamSearch, BeamStep
from core.engine.generation.candidate_table import Inspector, score_tokens
from core.engine.generation.decoding import Decoder, PrefixCache, Retuning, SequenceEnd, fit_prompt, read_prompt
from core.engine.generation.prompt_reading import Reading, read_in
from core.engine.generation.token_choice import rank_candidates
from core.engine.lab.answering import answer, is_short
from core.engine.lab.desk import Desk
from core.engine.lab.sentence_pairs import compare
from core.engine.networks.encoder_models import LoadedEncoder, two_labelled
from core.engine.networks.gguf_conversion import ready
from core.engine.networks.head import Head
from core.engine.networks.loading import LoadedCausal, ProgressCallback
from core.engine.shelf import Shelf
from core.engine.threads import Threads
from core.engine.warm_up import import_in_pieces
from core.messages.protocol import (
    Answered,
    Ask,
    BeamsAdvanced,
    Candidates,
    Compare,
    Compared,
    Done,
    Event,
    Generate,
    Inspect,
    Inspected,
    Load,
    Loaded,
    Next,
    Progress,
    Retuned,
    RunStarted,
    Scored,
    ScoreTokens,
    SequenceDone,
    TokenGenerated,
    Work,
)
from core.messages.records import NOT_TRACED, ModelInfo
from core.messages.sampling_params import SamplingParams
from core.models.provenance import hash_ahead, provenance
from core.models.registry import read_config, resolve

CANDIDATES_PER_EVENT = 1000


class Engine:
    """Loaded models and the work done with them."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._threads = Threads()
        self._shelf = Shelf(self._forget_contexts)
        self._prefix: PrefixCache | None = None
        self._inspector: Inspector | None = None
        self._warm_up = import_in_pieces()
        self._hashing: Iterator[str] = iter(())

    def warm_up(self) -> bool:
        """Prepare a piece of what later requests need, once the generator is there; False when nothing is left."""
        if not self._shelf.has_causal:
            return False
        return next(self._hashing, None) is not None or next(self._warm_up, None) is not None

    def is_short(self, request: Work) -> bool:
        """Whether a request can be answered between two tokens of a run: its model is there and it reads little."""
        match request:
            case Next() | Inspect() | ScoreTokens():
                return self._shelf.holds_causal(request.target)
            case Compare():
                return any(self._shelf.holds_encoder(head, request.target) for head in (Head.CLASSIFIER, Head.STATES))
            case Ask():
                return is_short(request.question, self._shelf, request.target)
            case _:
                return False

    def handle(
        self,
        request: Work,
        should_stop: Callable[[], bool],
        between_tokens: Callable[[], None],
        new_params: Callable[[], SamplingParams | None] = lambda: None,
    ) -> None:
        """Answer one request; the last event is one of `LAST_EVENTS`.

        Args:
            request: what is asked.
            should_stop: whether it was cancelled.
            between_tokens: called after each token of a run, to let short requests in.
            new_params: settings that a run shall go on with, when there are new ones.

        Raises:
            EngineError: it cannot be answered; no last event was emitted.
        """

        def stop_asked() -> bool:
            self._threads.adjust()  # every kind of work asks once a step
            return should_stop()

        match request:
            case Load():
                self._emit(Loaded(request.id, self._load(request)))
            case Generate():
                self._generate(request, stop_asked, between_tokens, new_params)
            case Next():
                self._next(request)
            case Inspect():
                self._inspect(request)
            case ScoreTokens():
                for scores in score_tokens(self._loaded_causal(request), request.ids):
                    self._emit(Scored(request.id, scores))
                self._emit(Done(request.id))
            case Compare():
                loaded = self._desk(request, stop_asked, between_tokens).comparer(request.target.model)
                self._emit(Compared(request.id, compare(loaded, request.first, request.second)))
            case Ask():
                desk = self._desk(request, stop_asked, between_tokens)
                for part in answer(desk, request.question):
                    self._emit(Answered(request.id, part))
                self._emit(Done(request.id))

    def _desk(
        self, request: Compare | Ask, should_stop: Callable[[], bool], between_tokens: Callable[[], None]
    ) -> Desk:
        return Desk(self._shelf, request.target, self._progress(request), should_stop, between_tokens)

    def _progress(self, request: Work) -> ProgressCallback:
        return lambda stage, fraction: self._emit(Progress(request.id, stage, fraction))

    def _load(self, request: Load) -> ModelInfo:
        config = read_config(ready(request.target.model, self._progress(request)))
        architectures = config.get("architectures") or ["none"]
        if str(architectures[0]).endswith("ForSequenceClassification"):
            return self._classifier(request).info
        return self._loaded_causal(request).info

    def _classifier(self, request: Load) -> LoadedEncoder:
        return two_labelled(self._shelf.encoder(Head.CLASSIFIER, request.target, self._progress(request)))

    def _loaded_causal(self, request: Load | Generate | Next | Inspect | ScoreTokens) -> LoadedCausal:
        loaded, is_new = self._shelf.causal(request.target, self._progress(request))
        if is_new:
            self._hashing = hash_ahead(resolve(request.target.model))
        return loaded

    def _forget_contexts(self) -> None:
        """The causal model goes: what was read with it goes, too, and with that its memory."""
        self._prefix = self._inspector = None

    def _take_prefix(self, loaded: LoadedCausal) -> PrefixCache:
        """The cache of the last prompt, now the caller's alone; a new one when it is in use."""
        prefix, self._prefix = self._prefix, None
        return prefix or PrefixCache(loaded.model.new_cache())

    def _generate(
        self,
        request: Generate,
        should_stop: Callable[[], bool],
        between: Callable[[], None],
        new_params: Callable[[], SamplingParams | None],
    ) -> None:
        loaded = self._loaded_causal(request)
        began = time.perf_counter()  # loading has progress of its own and is no part of the time to the first token
        if request.prompt_ids:
            reading = Reading(list(request.prompt_ids))
        else:
            reading = read_in(loaded, request.prompt, request.chat, request.earlier, request.params.max_new_tokens)
        all_ids = [*reading.ids, *request.begun_ids]
        ids = fit_prompt(all_ids, loaded, request.params, truncate=request.truncate)
        prompt = request.prompt if len(ids) == len(all_ids) else loaded.tokenizer.decode(ids)
        how = (reading.is_chat, reading.earlier_read)
        self._emit(RunStarted(request.id, loaded.info, prompt, tuple(ids), request.params, *how))
        prefix = self._take_prefix(loaded)
        scheduled = {step.index: step.params for step in request.schedule}

        def params_at(index: int) -> SamplingParams | None:
            return new_params() or scheduled.get(index)

        run: BeamSearch | Decoder
        if request.params.num_beams > 1:
            run = BeamSearch(loaded, ids, request.params, should_stop, prefix=prefix, began=began)
        else:
            run = Decoder(loaded, ids, request.params, should_stop, prefix=prefix, began=began, new_params=params_at)
        for item in run.run():
            match item:
                case Retuning():
                    self._emit(Retuned(request.id, item.index, item.params))
                case SequenceEnd():
                    end = (item.sequence, item.finish_reason, item.text, item.ids, item.stats)
                    origin = provenance(resolve(request.target.model)) if request.trace else NOT_TRACED
                    self._emit(SequenceDone(request.id, *end, origin))
                case BeamStep():
                    self._emit(BeamsAdvanced(request.id, item.index, item.beams))
                    between()
                case _:
                    self._emit(TokenGenerated(request.id, item))
                    between()
        if request.params.num_return_sequences == request.params.num_beams == 1 and self._prefix is None:
            self._prefix = prefix
        self._emit(Done(request.id))

    def _inspect(self, request: Inspect) -> None:
        loaded = self._loaded_causal(request)
        if self._inspector is None:
            self._inspector = Inspector(loaded)
        ids = list(request.context_ids) or read_in(loaded, request.prompt, request.chat, request.earlier).ids
        ids = fit_prompt(ids, loaded, request.params.changed(max_length=0), truncate=True)
        held = self._inspector.holds(ids)
        prefix = PrefixCache(loaded.model.new_cache()) if held else self._take_prefix(loaded)
        context = self._inspector.context(ids, prefix)
        if not held:
            self._prefix = prefix
        table = self._inspector.table(context, request.params, request.search, request.offset, request.limit)
        self._emit(Inspected(request.id, table))

    def _next(self, request: Next) -> None:
        loaded = self._loaded_causal(request)
        all_ids = read_in(loaded, request.prompt, request.chat).ids
        ids = fit_prompt(all_ids, loaded, request.params, truncate=request.truncate)
        prefix = self._take_prefix(loaded)
        logits = read_prompt(loaded, ids, prefix)[0]
        self._prefix = prefix
        top = request.top or loaded.info.vocab_size
        table = rank_candidates(logits, ids, request.params, loaded.tokenizer, top)
        for start in range(0, len(table), CANDIDATES_PER_EVENT):
            self._emit(Candidates(request.id, table[start : start + CANDIDATES_PER_EVENT]))
        self._emit(Done(request.id))

"""Which task answers which question of the lab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from core.engine.lab.attention import attend, compare_attention
from core.engine.lab.desk import Desk
from core.engine.lab.distillation.task import distil
from core.engine.lab.evaluation.task import evaluate
from core.engine.lab.few_shot import score_answers
from core.engine.lab.finetuning.task import finetune
from core.engine.lab.masked_lm import fill_masks, play_masking
from core.engine.lab.question_answering import answer_question
from core.engine.lab.sentence_pairs import compare_all, predict_next_sentence, rank_sentences
from core.engine.lab.sentiment import read_sentiment
from core.engine.lab.students import compare_students
from core.engine.networks.head import Head
from core.engine.shelf import Shelf
from core.lab.attention import Attend, CompareAttention
from core.lab.catalogue import Answer, Question
from core.lab.distillation import Distil
from core.lab.evaluation import Evaluate
from core.lab.few_shot import ScoreAnswers
from core.lab.finetuning import Finetune
from core.lab.masked_lm import FillMasks, PlayMasking
from core.lab.question_answering import AnswerQuestion
from core.lab.sentence_pairs import CompareAll, Follows, RankSentences
from core.lab.sentiment import ReadSentiment
from core.lab.students import CompareStudents


@dataclass(frozen=True, slots=True)
class _Task:
    run: Callable[[Desk, Any], Iterator[Answer]]
    short_with: Head | None = None
    """The head of the one model it needs, when it is short enough to be answered between two tokens of a run."""


_TASKS: dict[type[Any], _Task] = {
    FillMasks: _Task(fill_masks, Head.MASKED_LM),
    PlayMasking: _Task(play_masking, Head.MASKED_LM),
    Follows: _Task(predict_next_sentence, Head.NEXT_SENTENCE),
    CompareAll: _Task(compare_all),
    RankSentences: _Task(rank_sentences),
    ReadSentiment: _Task(read_sentiment),
    Attend: _Task(attend, Head.STATES),
    CompareAttention: _Task(compare_attention),
    AnswerQuestion: _Task(answer_question),
    ScoreAnswers: _Task(score_answers),
    Finetune: _Task(finetune),
    CompareStudents: _Task(compare_students),
    Distil: _Task(distil),
    Evaluate: _Task(evaluate),
}


def answer(desk: Desk, question: Question) -> Iterator[Answer]:
    """Answer a question, in one piece or as it comes.

    Raises:
        EngineError: it cannot be answered.
    """
    return _TASKS[type(question)].run(desk, question)


def is_short(question: Question, shelf: Shelf, device_name: str, dtype: str) -> bool:
    """Whether a question can be answered between two tokens of a run: its model is there and it reads little."""
    head = _TASKS[type(question)].short_with
    model: str | None = getattr(question, "model", None)  # a question about two models names neither so
    return head is not None and model is not None and shelf.holds_encoder(head, model, device_name, dtype)

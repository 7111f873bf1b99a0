"""Every question the lab can ask, and every answer: what may travel in `Ask` and `Answered`."""

from __future__ import annotations

from typing import TypeAlias

from core.lab.attention import Attend, Attention, CompareAttention
from core.lab.distillation import Distil, Distilled, DistilMeasured, DistilPaused, DistilStarted, DistilStep
from core.lab.evaluation import (
    CausalEvaluation,
    ClassifierEvaluation,
    Evaluate,
    EvaluationProgress,
    FillEvaluation,
    RowsSkipped,
)
from core.lab.few_shot import ScoreAnswers, ScoredAnswers
from core.lab.finetuning import Finetune, Finetuned, FinetuneMeasured, FinetunePaused, FinetuneStarted, FinetuneStep
from core.lab.masked_lm import FilledMasks, FillMasks, MaskingGame, PlayMasking
from core.lab.question_answering import AnsweredQuestion, AnswerQuestion
from core.lab.sentence_pairs import (
    CompareAll,
    Follows,
    NextSentence,
    RankedSentences,
    RankSentences,
    SimilarityMatrix,
)
from core.lab.sentiment import ReadSentiment, Sentiment
from core.lab.students import CompareStudents, StudentsCompared

Question: TypeAlias = (
    FillMasks
    | PlayMasking
    | Follows
    | CompareAll
    | RankSentences
    | ReadSentiment
    | Attend
    | CompareAttention
    | AnswerQuestion
    | ScoreAnswers
    | Finetune
    | CompareStudents
    | Distil
    | Evaluate
)

Answer: TypeAlias = (
    FilledMasks
    | MaskingGame
    | NextSentence
    | SimilarityMatrix
    | RankedSentences
    | Sentiment
    | Attention
    | AnsweredQuestion
    | ScoredAnswers
    | FinetuneStarted
    | FinetuneStep
    | FinetuneMeasured
    | FinetunePaused
    | Finetuned
    | StudentsCompared
    | DistilStarted
    | DistilStep
    | DistilMeasured
    | DistilPaused
    | Distilled
    | RowsSkipped
    | EvaluationProgress
    | ClassifierEvaluation
    | FillEvaluation
    | CausalEvaluation
)

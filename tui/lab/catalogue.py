"""Every pane of the lab, in the order of the course."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lab:
    """A row of the list."""

    name: str
    """In ids, and where the lab is opened by name."""
    title: str
    pane: str
    """Module and class of the pane: imported when the lab is first looked at."""


LABS = (
    Lab("fill", "Fill masks", "tui.lab.masked_lm.fill_pane:FillPane"),
    Lab("masking", "Masking game", "tui.lab.masked_lm.masking_pane:MaskingPane"),
    Lab("follows", "Next sentence", "tui.lab.sentence_pairs.follows_pane:FollowsPane"),
    Lab("similarity", "Similarity", "tui.lab.sentence_pairs.similarity_pane:SimilarityLab"),
    Lab("sentiment", "Sentiment", "tui.lab.sentiment.pane:SentimentPane"),
    Lab("attention", "Attention", "tui.lab.attention.pane:AttentionPane"),
    Lab("answer", "Question answering", "tui.lab.question_answering.pane:AnswerPane"),
    Lab("few-shot", "Zero/few-shot", "tui.lab.few_shot.pane:FewShotPane"),
    Lab("wordpiece", "WordPiece", "tui.lab.wordpiece.pane:WordPiecePane"),
    Lab("softmax", "Softmax", "tui.lab.softmax.pane:SoftmaxPane"),
    Lab("students", "Teacher & student", "tui.lab.students.pane:StudentsPane"),
    Lab("distil", "Live distillation", "tui.lab.distillation.pane:DistillationPane"),
    Lab("finetune", "Fine-tune", "tui.lab.finetuning.pane:FinetunePane"),
    Lab("eval", "Evaluation", "tui.lab.evaluation.pane:EvaluationPane"),
    Lab("families", "What is what", "tui.lab.families.pane:FamiliesPane"),
)

"""Every pane of the lab, in the order of the course."""

from __future__ import annotations

from tui.lab.attention.pane import AttentionPane
from tui.lab.distillation.pane import DistillationPane
from tui.lab.evaluation.pane import EvaluationPane
from tui.lab.families.pane import FamiliesPane
from tui.lab.few_shot.pane import FewShotPane
from tui.lab.finetuning.pane import FinetunePane
from tui.lab.masked_lm.fill_pane import FillPane
from tui.lab.masked_lm.masking_pane import MaskingPane
from tui.lab.pane import LabPane
from tui.lab.question_answering.pane import AnswerPane
from tui.lab.sentence_pairs.follows_pane import FollowsPane
from tui.lab.sentence_pairs.similarity_pane import SimilarityLab
from tui.lab.sentiment.pane import SentimentPane
from tui.lab.softmax.pane import SoftmaxPane
from tui.lab.students.pane import StudentsPane
from tui.lab.wordpiece.pane import WordPiecePane

LABS: tuple[type[LabPane], ...] = (
    FillPane,
    MaskingPane,
    FollowsPane,
    SimilarityLab,
    SentimentPane,
    AttentionPane,
    AnswerPane,
    FewShotPane,
    WordPiecePane,
    SoftmaxPane,
    StudentsPane,
    DistillationPane,
    FinetunePane,
    EvaluationPane,
    FamiliesPane,
)

"""Every pane of the lab, in the order of the course."""

from __future__ import annotations

from tui.lab_pane import LabPane
from tui.labs.answer import AnswerPane
from tui.labs.attention import AttentionPane
from tui.labs.distillation import DistillationPane
from tui.labs.evaluation import EvaluationPane
from tui.labs.families import FamiliesPane
from tui.labs.few_shot import FewShotPane
from tui.labs.fill import FillPane
from tui.labs.finetune import FinetunePane
from tui.labs.follows import FollowsPane
from tui.labs.masking import MaskingPane
from tui.labs.sentiment import SentimentPane
from tui.labs.similarity import SimilarityLab
from tui.labs.softmax import SoftmaxPane
from tui.labs.students import StudentsPane
from tui.labs.wordpiece import WordPiecePane

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

"""How good a recommender is, and how sure that is."""

from embrec.evaluation.comparing import compare
from embrec.evaluation.measuring import evaluate
from embrec.evaluation.results import Comparison, Evaluation

__all__ = ["Comparison", "Evaluation", "compare", "evaluate"]

"""How good a recommender is, and how sure that is."""

from embrec.evaluation.evaluating import Comparison, Evaluation, compare, evaluate

__all__ = ["Comparison", "Evaluation", "compare", "evaluate"]

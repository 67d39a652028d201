"""The battery of recommenders: all of embrec's pass it."""

import pytest

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.baselines import (
    ContentNeighborsRecommender,
    GRU4RecRecommender,
    PopularityRecommender,
    SequentialRulesRecommender,
    SessionNeighborsRecommender,
    TransRecRecommender,
)
from embrec.testing import check_recommender

TITLES = TfidfItemFeaturizer(columns=["title"])


@pytest.mark.parametrize(
    "recommender",
    [
        PopularityRecommender(),
        ContentNeighborsRecommender(TITLES),
        SequentialRulesRecommender(),
        SessionNeighborsRecommender(),
        GRU4RecRecommender(8, max_epochs=1, random_state=0),
        TransRecRecommender(8, max_epochs=1, random_state=0),
        EmbRecEstimator(TITLES, max_epochs=1, random_state=0),
    ],
    ids=lambda r: type(r).__name__,
)
def test_recommenders_that_pass(recommender):
    check_recommender(recommender)


class Forgetful(PopularityRecommender):
    """One that does not save what it counted."""

    def set_state(self, state):
        super().set_state(state)
        self.counts_ = self.counts_ * 0


class Seen(PopularityRecommender):
    """One that recommends what was seen."""

    def recommend(self, X, k=10, *, exclude_seen=True, **more):
        return super().recommend(X, k, exclude_seen=False, **more)


@pytest.mark.parametrize("kind", [Forgetful, Seen])
def test_recommenders_that_do_not_pass(kind):
    with pytest.raises(AssertionError):
        check_recommender(kind())

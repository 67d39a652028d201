"""Checks that parts and recommenders of one's own can be held to; embrec's own pass them."""

from embrec.testing.encoders import check_encoder
from embrec.testing.losses import check_loss
from embrec.testing.recommenders import check_recommender

__all__ = ["check_encoder", "check_loss", "check_recommender"]

"""The parts that a recommender is made of, as a user names them and as they are used."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from embrec.components import (
    BPR,
    Adagrad,
    Adam,
    AllItems,
    BPRMax,
    Component,
    CosineDistance,
    CrossEntropy,
    EarlyStopping,
    Encoder,
    FixedItems,
    GRUEncoder,
    ItemModel,
    ItemTowers,
    Loss,
    Negatives,
    Optimizer,
    ParallelEncoder,
    SampledNegatives,
    SelfAttentionEncoder,
    SmoothNDCG,
)
from embrec.components.base import changed_parameters, describe, resolve, with_all_within
from embrec.network.device import score_precision

#: Up to so many trained items "auto" sets the next item against all of them: a step over more
#: takes seconds on a CPU. Beyond it draws `AUTO_N`, which costs no accuracy that can be measured
#: on 23,558 items (docs/results/accuracy.md).
AUTO_MAX_ITEMS = 100_000
AUTO_N = 8192

ENCODERS: dict[str, type[Encoder]] = {
    "gru": GRUEncoder,
    "attention": SelfAttentionEncoder,
    "parallel": ParallelEncoder,
}
LOSSES: dict[str, type[Loss]] = {
    "cross_entropy": CrossEntropy,
    "bpr": BPR,
    "bpr_max": BPRMax,
    "smooth_ndcg": SmoothNDCG,
    "cosine": CosineDistance,
}
OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "adagrad": Adagrad}
#: What words are short for; "auto" and None leave a choice, and name what may be chosen.
SHORT_FOR: dict[str, dict[Any, type[Any]]] = {
    "item_model": {None: ItemTowers},
    "encoder": {**ENCODERS},
    "loss": {**LOSSES},
    "negatives": {"auto": SampledNegatives, "all": AllItems},
    "optimizer": {**OPTIMIZERS},
    "early_stopping": {True: EarlyStopping, False: EarlyStopping},
}


@dataclass(frozen=True)
class Parts:
    """What a recommender is made of.

    Parameters
    ----------
    item_model : ItemModel
    encoder : Encoder
    loss : Loss
    negatives : Negatives or None
        None leaves the choice to the size of the catalogue.
    optimizer : Optimizer
    early_stopping : EarlyStopping or None
    """

    item_model: ItemModel
    encoder: Encoder
    loss: Loss
    negatives: Negatives | None
    optimizer: Optimizer
    early_stopping: EarlyStopping | None

    def __post_init__(self) -> None:
        self._check_loss()
        negatives = self.negatives
        if not isinstance(negatives, SampledNegatives):
            return
        if not self.loss.uses_negatives:
            raise ValueError(
                f"{self.loss} has no negatives; got negatives={negatives}. Leave it at 'auto', or "
                "choose another loss."
            )
        if negatives.logq is not None and not self.loss.corrects_sampling:
            raise ValueError(
                f"{self.loss} does not correct for how negatives are drawn; got {negatives}. Leave "
                "logq at None."
            )

    def _check_loss(self) -> None:
        if self.loss.learns_items == self.item_model.learns_items:
            return
        if self.item_model.learns_items:
            raise ValueError(
                f"{self.loss} learns nothing of the items; got item_model={self.item_model}, which "
                "does. Choose another loss, or FixedItems() where there is item_model=."
            )
        raise ValueError(
            f"item_model={self.item_model} learns nothing of the items; got loss={self.loss}, "
            "which does. Choose loss='cosine', or another item model."
        )

    def of_size(self, n_trained: int) -> "Parts":
        """Choose what is left open, for so many items that training has seen."""
        if self.negatives is not None:
            return self
        few = n_trained <= AUTO_MAX_ITEMS or not self.loss.uses_negatives
        return replace(self, negatives=AllItems() if few else SampledNegatives(AUTO_N))

    @property
    def are_own(self) -> bool:
        """Whether embrec itself has written all that a network is made of."""
        made_of = [*with_all_within(self.item_model), *with_all_within(self.encoder)]
        return all(type(part).__module__.partition(".")[0] == "embrec" for part in made_of)

    def as_dict(self) -> dict[str, Component]:
        """Return those that there are, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: part for name, part in named.items() if part is not None}

    def describe(self) -> dict[str, Any]:
        """Describe them for JSON."""
        return {name: describe(part) for name, part in self.as_dict().items()}

    def check_unchanged(self, earlier: "Parts") -> None:
        """Raise unless weights that were trained with earlier parts fit these."""
        changed: dict[str, Any] = {}
        for name in ("item_model", "encoder"):
            changed |= changed_parameters(getattr(earlier, name), getattr(self, name), name)
        raise_if_changed(changed)


def raise_if_changed(changed: dict[str, tuple[Any, Any]]) -> None:
    """Raise if parameters, by name what they were and are, ask for another network."""
    if changed:
        what = ", ".join(f"{name} was {a}, is {b}" for name, (a, b) in changed.items())
        raise ValueError(
            "Training would go on with the network of the last fit, but the parameters now ask for "
            f"another one: {what}. Set them as they were, or call fit with warm_start=False."
        )


def resolve_parts(
    *,
    item_model: Any,
    encoder: Any,
    loss: Any,
    negatives: Any,
    optimizer: Any,
    early_stopping: Any,
) -> Parts:
    """Turn what a user passed into parts of one's own, checked each and together.

    Raises
    ------
    ValueError, TypeError
        If one is no such part, has a parameter out of its range, or contradicts another.
    """
    chosen: Loss = resolve("loss", loss, Loss, LOSSES)
    if item_model is None:
        item_model = ItemTowers() if chosen.learns_items else FixedItems()
    return Parts(
        resolve("item_model", item_model, ItemModel, SHORT_FOR["item_model"]),
        resolve("encoder", encoder, Encoder, ENCODERS),
        chosen,
        _resolve_negatives(negatives),
        resolve("optimizer", optimizer, Optimizer, OPTIMIZERS),
        _resolve_stopping(early_stopping),
    )


def _resolve_negatives(given: Any) -> Negatives | None:
    if isinstance(given, str) and given == "auto":
        return None
    if isinstance(given, (int, np.integer)) and not isinstance(given, bool):
        given = SampledNegatives(int(given))
    words = SHORT_FOR["negatives"]
    resolved: Negatives = resolve("negatives", given, Negatives, words, also="a number")
    return resolved


def _resolve_stopping(given: Any) -> EarlyStopping | None:
    given = bool(given) if isinstance(given, np.bool_) else given
    if given is False:
        return None
    words = SHORT_FOR["early_stopping"]
    resolved: EarlyStopping = resolve("early_stopping", given, EarlyStopping, words)
    return resolved


def check_scores(loss: Loss, precision: str, score_memory: Any) -> None:
    """Raise if parameters of the run ask for something of a loss that has no scores."""
    if not loss.uses_negatives and (precision, score_memory) != ("auto", "auto"):
        raise ValueError(
            f"{loss} makes no scores, so precision and score_memory say nothing to it; got "
            f"precision={precision!r}, score_memory={score_memory!r}. Leave both at 'auto'."
        )


def score_settings(precision: str, score_memory: Any, device: torch.device) -> dict[str, Any]:
    """Turn parameters of the run into what `Loss._build` takes."""
    memory = None if score_memory == "auto" else int(score_memory * 2**20)
    return {"memory": memory, "precision": score_precision(precision, device)}

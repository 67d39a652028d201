"""Several encoders side by side: one per content source, or all over the same items."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from embrec.components.encoders import Encoder, GRUEncoder, SelfAttentionEncoder

if TYPE_CHECKING:
    from embrec.network import SequenceModule

#: What a featurizer that is no union calls its only source.
SINGLE_SOURCE = "features"


class NamedEncoders(Encoder):
    """Base of what is made of encoders with names, which are parameters by these."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"encoders": [list, None]}

    def __init__(self, encoders: list[tuple[str, Encoder]] | None = None) -> None:
        self.encoders = encoders

    def check(self) -> None:
        """Raise if a parameter is not what it may be."""
        super().check()
        if self.encoders is not None:
            self._check_pairs(self.encoders)

    def _check_pairs(self, pairs: list[Any]) -> None:
        what = f"encoders of {type(self).__name__} must be a list of (name, encoder)"
        if not pairs:
            raise ValueError(f"{what}; got an empty one.")
        for pair in pairs:
            if not (isinstance(pair, (list, tuple)) and len(pair) == 2):
                raise TypeError(f"{what}; got {pair!r} in it.")
            if not (isinstance(pair[0], str) and isinstance(pair[1], Encoder)):
                raise TypeError(f"{what}, such as ('text', GRUEncoder()); got {pair!r} in it.")
        names = [name for name, _ in pairs]
        if len({*names}) < len(names) or any("__" in name or name == "encoders" for name in names):
            raise ValueError(
                f"Encoders of {type(self).__name__} need distinct names without '__', and none may "
                f"be called 'encoders'; got {names}."
            )


class ParallelEncoder(NamedEncoders):
    """An encoder per content source, each of which predicts its own (p-RNN, Hidasi et al. 2016).

    An item embedding is the parts of all sources, side by side. Each encoder reads the part of its
    source and predicts that of the next item, so a score is the sum of what the sources say. They
    are trained together. If one keeps no state, histories are read anew.

    Parameters
    ----------
    encoders : list of (str, Encoder), default=None
        One for each branch of the featurizer, a FeatureUnion, by its name and in any order. A
        featurizer that is no union has one source, called "features", and one encoder is all there
        is to it then. None is a `GRUEncoder` for each, however many there are. They are parameters
        by name too: ``encoder__text__hidden_size`` of an estimator.

    References
    ----------
    Hidasi, Quadrana, Karatzoglou & Tikk, "Parallel Recurrent Neural Network Architectures for
    Feature-rich Session-based Recommendations", RecSys 2016.

    Examples
    --------
    >>> from embrec.components import GRUEncoder, ParallelEncoder, SelfAttentionEncoder
    >>> encoder = ParallelEncoder([("text", GRUEncoder(96)), ("image", SelfAttentionEncoder())])
    >>> encoder.set_params(text__hidden_size=64).get_params()["text"]
    GRUEncoder(hidden_size=64)
    """

    def check_sources(self, sources: Sequence[str]) -> None:
        """Raise unless there is an encoder for each source, and for nothing else.

        Parameters
        ----------
        sources : sequence of str
            Their names, in the order of the towers.
        """
        if self.encoders is None:
            return
        names = [name for name, _ in self.encoders]
        if {*names} != {*sources}:
            raise ValueError(
                f"ParallelEncoder needs one encoder per content source, by its name; the sources "
                f"are {[*sources]}, and there are encoders for {names}. Sources are the branches "
                "of a FeatureUnion, such as make_union makes; any other featurizer is one, "
                f"{SINGLE_SOURCE!r}."
            )

    def _build(self, embedding_size: int) -> "SequenceModule":
        return self._build_for(embedding_size, [SINGLE_SOURCE])

    def _build_for(self, embedding_size: int, sources: Sequence[str]) -> "SequenceModule":
        from embrec.network.parallel import ParallelModule

        self.check_sources(sources)
        size, left = divmod(embedding_size, len(sources))
        if left:
            raise ValueError(
                "ParallelEncoder reads equal parts of an item embedding, one per source; got "
                f"embeddings of {embedding_size} numbers for {len(sources)} sources."
            )
        encoders = dict(self.encoders or [(source, GRUEncoder()) for source in sources])
        return ParallelModule([encoders[source]._build(size) for source in sources])


class EnsembleEncoder(NamedEncoders):
    """Several encoders of the same items, trained together; what they predict is averaged.

    If one keeps no state, histories are read anew.

    Parameters
    ----------
    encoders : list of (str, Encoder), default=None
        By names of your choice, by which they are parameters too. None is a `GRUEncoder` called
        "gru" and a `SelfAttentionEncoder` called "attention".

    Examples
    --------
    >>> from embrec.components import EnsembleEncoder, GRUEncoder, SelfAttentionEncoder
    >>> encoder = EnsembleEncoder([("long", GRUEncoder()), ("short", SelfAttentionEncoder())])
    >>> encoder.set_params(short__window=5).get_params()["short"]
    SelfAttentionEncoder(window=5)
    """

    def _build(self, embedding_size: int) -> "SequenceModule":
        return self._build_for(embedding_size, [SINGLE_SOURCE])

    def check_sources(self, sources: Sequence[str]) -> None:
        """Raise if one of the encoders cannot read these sources.

        Parameters
        ----------
        sources : sequence of str
            Their names, in the order of the towers.
        """
        for _, encoder in self._pairs():
            encoder.check_sources(sources)

    def _build_for(self, embedding_size: int, sources: Sequence[str]) -> "SequenceModule":
        from embrec.network.parallel import EnsembleModule

        # sorted, so that weights are found again whatever the order
        return EnsembleModule(
            [part._build_for(embedding_size, sources) for _, part in sorted(self._pairs())]
        )

    def _pairs(self) -> list[tuple[str, Encoder]]:
        return self.encoders or [("gru", GRUEncoder()), ("attention", SelfAttentionEncoder())]

"""What reads a history, as training, sessions and export call it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from embrec.network.packing import Packing


class SequenceModule(nn.Module, ABC):
    """Base of sequence encoders: from item embeddings to the embedding of the next item.

    A sequence's *state* is all that its future depends on: one row of ``state_size`` numbers. A
    subclass sets ``state_size`` and writes four methods; what `forward` says after each step must
    be what `read` says of the state after as many `advance`.

    An encoder whose ``state_size`` is 0 keeps no state: `forward` reads a history anew. Its
    `advance` may return the states it got, and `read` says what comes before any item.

    Attributes
    ----------
    state_size : int
    """

    state_size: int

    def __init__(self) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, x: Tensor, packed: Packing) -> Tensor:
        """Predict the next item's embedding after every step of packed sequences.

        Parameters
        ----------
        x : Tensor of shape (n_steps, embedding_size)
            Embeddings of the items, time by time, longest sequence first.
        packed : Packing
            How many sequences reach each time.

        Returns
        -------
        Tensor of shape (n_steps, embedding_size)
        """

    @abstractmethod
    def initial_state(self, n: int) -> Tensor:
        """Return the state before any item; if it needs a gradient, it is trained.

        Parameters
        ----------
        n : int
            How many times.

        Returns
        -------
        Tensor of shape (n, state_size)
        """

    @abstractmethod
    def advance(self, state: Tensor, x: Tensor) -> Tensor:
        """Take one step each.

        Parameters
        ----------
        state : Tensor of shape (n, state_size)
        x : Tensor of shape (n, embedding_size)
            Embeddings of the items just touched.

        Returns
        -------
        Tensor of shape (n, state_size)
        """

    @abstractmethod
    def read(self, state: Tensor) -> Tensor:
        """Predict the next item's embedding from states.

        Parameters
        ----------
        state : Tensor of shape (n, state_size)

        Returns
        -------
        Tensor of shape (n, embedding_size)
        """

    def final_state(self, x: Tensor, packed: Packing) -> Tensor:
        """Run packed sequences and return the states after their last items.

        Step by step, unless a subclass has a faster way.

        Parameters
        ----------
        x, packed
            As for `forward`.

        Returns
        -------
        Tensor of shape (n_sequences, state_size)
        """
        state = self.initial_state(packed.n_sequences).clone()
        start = 0
        for n in packed.batch_sizes.tolist():
            state[:n] = self.advance(state[:n].clone(), x[start : start + n])
            start += n
        return state

    def predict_last(self, x: Tensor, packed: Packing) -> Tensor:
        """Predict the next item's embedding after the last step of packed sequences.

        What `read` says of `final_state`, unless a subclass has a faster way; what `forward` says
        last if there is no state.

        Parameters
        ----------
        x, packed
            As for `forward`.

        Returns
        -------
        Tensor of shape (n_sequences, embedding_size)
        """
        if self.state_size:
            return self.read(self.final_state(x, packed))
        steps: Tensor = self(x, packed)
        return steps[packed.last_steps.to(steps.device)]

    def read_first(self) -> Tensor | None:
        """Predict the first item's embedding, in a way that trains the initial state alone.

        No gradient reaches the other weights, which are there to tell what follows items.

        Returns
        -------
        Tensor of shape (1, embedding_size), or None
            None if the initial state is not trained.
        """
        with torch.enable_grad():  # whether it is trained does not depend on who asks
            state = self.initial_state(1)
        if not state.requires_grad:
            return None
        state = state if torch.is_grad_enabled() else state.detach()
        with frozen(self):
            return self.read(state)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Train nothing of a module, and drop nothing out, meanwhile."""
    trained = [p for p in module.parameters() if p.requires_grad]
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
        for part, mode in modes:
            part.training = mode

"""The network of ELMo: words from characters, read in both directions.

Peters et al. (2018), Deep contextualized word representations, NAACL, arXiv:1802.05365; what the
paper leaves open is as in the code that trained the published weights (bilm-tf).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from embrec.encoders.elmo_characters import N_CHARACTERS, PADDING
from embrec.encoders.elmo_options import ElmoOptions

#: How many words the convolutions read at once: bounds memory, about 180 KB a word.
WORDS_AT_ONCE = 512
#: How many tokens are multiplied ahead of the recurrence: bounds memory, 128 KB a token.
TOKENS_AT_ONCE = 1024
#: What TensorFlow's LSTMCell adds to the forget gate, beside the bias in the file.
FORGET_BIAS = 1.0

_ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}


class Highway(nn.Module):
    """A gate lets the input pass, or what a layer makes of it (Srivastava et al. 2015)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.carry = nn.Linear(dim, dim)
        self.transform = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, dim) to (n, dim)."""
        # the files call the gate carry, though it is the share of the transform
        gate = torch.sigmoid(self.carry(x))
        return torch.lerp(x, torch.relu(self.transform(x)), gate)


class CharacterCnn(nn.Module):
    """Vectors of words from their characters."""

    def __init__(self, options: ElmoOptions) -> None:
        super().__init__()
        self.embedding = nn.Embedding(N_CHARACTERS, options.character_dim)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(options.character_dim, n_filters, width)
            for width, n_filters in options.filters
        )
        self.highways = nn.ModuleList(Highway(options.n_filters) for _ in range(options.n_highway))
        self.projection = nn.Linear(options.n_filters, options.projection_dim)
        self._activation = _ACTIVATIONS[options.activation]
        self._widest = max(width for width, _ in options.filters)

    def forward(self, characters: torch.Tensor) -> torch.Tensor:
        """(n_words, max_characters) int64 to (n_words, projection_dim)."""
        return torch.cat([self._read(part) for part in torch.split(characters, WORDS_AT_ONCE)])

    def _read(self, characters: torch.Tensor) -> torch.Tensor:
        x = self.embedding(self._trim(characters)).transpose(1, 2)  # (n, character_dim, places)
        x = torch.cat([convolution(x).amax(dim=2) for convolution in self.convolutions], dim=1)
        x = self._activation(x)  # (n, n_filters)
        for highway in self.highways:
            x = highway(x)
        projected: torch.Tensor = self.projection(x)
        return projected

    def _trim(self, characters: torch.Tensor) -> torch.Tensor:
        """Cut padding off, but what the widest filter covers: all else has the same maximum."""
        longest = int((characters != PADDING).sum(dim=1).max())
        return characters[:, : longest + self._widest]


class BidirectionalLstm(nn.Module):
    """One layer of two LSTMs with projection (Sak et al. 2014), one for each direction.

    Weights of the two are stacked, so that one loop runs both. Tokens of several texts are packed:
    the first of each text, the second of each that has one, and so on, longest text first.
    """

    def __init__(self, options: ElmoOptions) -> None:
        super().__init__()
        cell_dim, dim = options.cell_dim, options.projection_dim
        # rows: the input, then the state; columns: input gate, candidate, forget, output gate
        self.weight = nn.Parameter(torch.empty(2, 2 * dim, 4 * cell_dim))
        self.bias = nn.Parameter(torch.empty(2, 4 * cell_dim))
        self.projection = nn.Parameter(torch.empty(2, cell_dim, dim))
        self._cell_clip = options.cell_clip
        self._projection_clip = options.projection_clip

    def forward(self, inputs: torch.Tensor, n_active: list[int]) -> torch.Tensor:
        """Run from a state of zeros.

        Parameters
        ----------
        inputs : Tensor of shape (2, n_tokens, dim)
            Packed; for each direction in the order in which it reads.
        n_active : list of int
            How many texts have a token at each step; never more than at the step before.

        Returns
        -------
        Tensor of shape (2, n_tokens, dim)
            Packed in the same way.
        """
        dim = inputs.shape[2]
        hidden = inputs.new_zeros(2, n_active[0], dim)
        cell = inputs.new_zeros(2, n_active[0], self.projection.shape[1])
        outputs = []
        n_steps = max(1, TOKENS_AT_ONCE // n_active[0])
        parts = [n_active[i : i + n_steps] for i in range(0, len(n_active), n_steps)]
        totals = [sum(sizes) for sizes in parts]
        for sizes, part in zip(parts, torch.split(inputs, totals, dim=1), strict=True):
            ahead = torch.baddbmm(self.bias.unsqueeze(1), part, self.weight[:, :dim])
            for n, gates in zip(sizes, torch.split(ahead, sizes, dim=1), strict=True):
                gates.baddbmm_(hidden[:, :n], self.weight[:, dim:])
                hidden, cell = self.step(gates, cell[:, :n])
                outputs.append(hidden)
        return torch.cat(outputs, dim=1)

    def step(self, gates: torch.Tensor, cell: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Make the next state.

        Parameters
        ----------
        gates : Tensor of shape (2, n, 4 * cell_dim)
            Before they are squashed.
        cell : Tensor of shape (2, n, cell_dim)

        Returns
        -------
        hidden : Tensor of shape (2, n, dim)
        cell : Tensor of shape (2, n, cell_dim)
        """
        write, candidate, keep, show = gates.chunk(4, dim=2)
        cell = torch.sigmoid(keep + FORGET_BIAS) * cell + torch.sigmoid(write) * candidate.tanh()
        cell = _clip(cell, self._cell_clip)
        hidden = torch.bmm(torch.sigmoid(show) * cell.tanh(), self.projection)
        return _clip(hidden, self._projection_clip), cell


class ElmoNetwork(nn.Module):
    """The language model without its softmax.

    Parameters
    ----------
    options : ElmoOptions
    """

    def __init__(self, options: ElmoOptions) -> None:
        super().__init__()
        self.characters = CharacterCnn(options)
        self.layers = nn.ModuleList(BidirectionalLstm(options) for _ in range(options.n_layers))
        self.options = options

    def forward(
        self, characters: torch.Tensor, words: torch.Tensor, lengths: Sequence[int]
    ) -> torch.Tensor:
        """Read texts.

        Parameters
        ----------
        characters : Tensor of shape (n_words, max_characters), int64
            Different words.
        words : Tensor of shape (n_tokens,), int64
            Which of them each token is, text after text.
        lengths : sequence of int
            Tokens of each text, the longest first.

        Returns
        -------
        Tensor of shape (1 + n_layers, n_tokens, 2 * projection_dim)
            Of each layer the forward direction, then the backward one. Layer 0, the word by
            itself, is the same in both.
        """
        order, n_active = pack(lengths)
        order = order.to(words.device)
        x = self.characters(characters)[words[order]]  # (2, n_tokens, projection_dim)
        outputs = [x]
        for layer in self.layers:
            y = layer(x, n_active)
            is_first = len(outputs) == 1
            x = y if is_first or not self.options.use_skip_connections else x + y
            outputs.append(x)
        layers = torch.stack(outputs)
        back = order.argsort(dim=1)
        return torch.cat([layers[:, 0, back[0]], layers[:, 1, back[1]]], dim=2)


def pack(lengths: Sequence[int]) -> tuple[torch.Tensor, list[int]]:
    """Order tokens by the step at which each direction reads them.

    Parameters
    ----------
    lengths : sequence of int
        Tokens of each text, the longest first.

    Returns
    -------
    order : Tensor of shape (2, n_tokens), int64
        Places of tokens in the concatenated texts, forward and backward.
    n_active : list of int
        How many texts have a token at each step.

    Raises
    ------
    ValueError
        If a text is longer than the one before, or the last is empty.
    """
    if any(a < b for a, b in pairwise(lengths)) or lengths[-1] < 1:
        raise ValueError(f"Texts must have tokens, the longest first; got lengths {lengths}.")
    sizes = torch.tensor(lengths)
    starts = sizes.cumsum(0) - sizes
    step = torch.arange(lengths[0]).unsqueeze(1)
    is_active = step < sizes  # (n_steps, n_texts)
    order = torch.stack([(starts + step)[is_active], (starts + sizes - 1 - step)[is_active]])
    return order, is_active.sum(dim=1).tolist()


def _clip(x: torch.Tensor, limit: float | None) -> torch.Tensor:
    return x if limit is None else x.clamp(-limit, limit)

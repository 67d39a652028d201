"""Self-attention over item embeddings."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embrec.network.packing import Packing
from embrec.network.sequence import SequenceModule

#: What the last block's normalised output counts: each of its numbers is about 1, those of an
#: item's embedding are about a tenth, and the residual term should not drown.
OUTPUT_SCALE = 0.1
#: How much less a step further back counts at first, for the head that sees least of the past
#: (Press et al. 2022); each further head sees four times as far.
FIRST_SLOPE = 0.5


class SelfAttentionModule(SequenceModule):
    """Blocks of causal self-attention, each over a window of the last items.

    Blocks are of Kang & McAuley (2018), as wide as item embeddings, normalised before they read
    (Xiong et al. 2020), and know how long ago an item was by a learned bias of each distance
    (Raffel et al. 2020), not by places counted from the start. So what is said of a step does not
    depend on where a history was cut, and a session may go on for ever.

    Its state is what the blocks have read of the items in the window, their keys and values; the
    prediction; and how many items came.

    Parameters
    ----------
    embedding_size : int
        Width of item embeddings.
    n_layers : int
        Blocks.
    n_heads : int
        Heads of attention in a block.
    window : int
        Items that a block looks at: the last one and those before it.
    dropout : float
        Probability to drop elements of what blocks add, and of the last output.
    input_dropout : float
        Probability to drop elements of the embeddings that the first block reads.
    residual : bool
        Whether the last item's embedding is added to the prediction.
    """

    def __init__(
        self,
        embedding_size: int,
        n_layers: int,
        *,
        n_heads: int,
        window: int,
        dropout: float,
        input_dropout: float,
        residual: bool,
    ) -> None:
        super().__init__()
        self.window = window
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.residual = residual
        self.blocks = nn.ModuleList(
            AttentionBlock(embedding_size, n_heads, window, dropout) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(embedding_size)
        self.initial = nn.Parameter(torch.zeros(embedding_size))
        self.read_size = cast(AttentionBlock, self.blocks[0]).read_size
        self.n_read = n_layers * 2 * window * self.read_size  # keys and values
        self.state_size = self.n_read + embedding_size + 1

    def forward(self, x: Tensor, packed: Packing) -> Tensor:
        """Predict after every step."""
        return self._predict(self._run(x, packed)[0], x)

    def final_state(self, x: Tensor, packed: Packing) -> Tensor:
        """Return the states after the last items, in one pass."""
        hidden, read = self._run(x, packed)
        last = packed.last_steps.to(x.device)
        rows, is_there = _last_rows(packed, self.window, x.device)
        kept = [torch.where(is_there, each[rows], 0.0) for pair in read for each in pair]
        predicted = self._predict(hidden[last], x[last])
        return torch.cat([*(each.flatten(1) for each in kept), predicted, is_there.sum(dim=1)], 1)

    def predict_last(self, x: Tensor, packed: Packing) -> Tensor:
        """Predict after the last items; no state is made, and what no block sees is not read."""
        rows, packed = packed.of_last(len(self.blocks) * (self.window - 1) + 1)
        x = x[rows.to(x.device)]
        lanes = Lanes.of(packed, x.device)
        hidden = F.dropout(x, self.input_dropout, self.training)
        *blocks, top = self.blocks
        for block in blocks:
            hidden = block(hidden, lanes)[0]
        last = packed.last_steps.to(x.device)
        rows, is_there = _last_rows(packed, min(self.window, len(packed.batch_sizes)), x.device)
        hidden = cast(AttentionBlock, top).last(hidden, last, rows, is_there[..., 0])
        return self._predict(hidden, x[last])

    def initial_state(self, n: int) -> Tensor:
        """Return the state before any item."""
        zeros = self.initial.new_zeros(self.n_read + 1)
        return torch.cat([zeros[:-1], self.initial, zeros[-1:]]).expand(n, -1)

    def advance(self, state: Tensor, x: Tensor) -> Tensor:
        """Take one step each."""
        n = state.shape[0]
        read = state[:, : self.n_read].reshape(n, -1, 2, self.window, self.read_size)
        n_items = (state[:, -1:] + 1).clamp(max=self.window)
        ages = torch.arange(self.window - 1, -1, -1, device=x.device)
        below, kept = x, []
        for layer, block in enumerate(self.blocks):
            below, now = cast(AttentionBlock, block).step(below, read[:, layer], ages < n_items)
            kept.append(now.flatten(1))
        return torch.cat([*kept, self._predict(below, x), n_items], dim=1)

    def read(self, state: Tensor) -> Tensor:
        """Predict from states."""
        return state[:, self.n_read : -1]

    def _run(self, x: Tensor, packed: Packing) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return outputs of all steps, and what each block has read."""
        lanes = Lanes.of(packed, x.device)
        hidden, read = F.dropout(x, self.input_dropout, self.training), []
        for block in self.blocks:
            hidden, keys, values = block(hidden, lanes)
            read.append((keys, values))
        return hidden, read

    def _predict(self, hidden: Tensor, last_items: Tensor) -> Tensor:
        output = F.dropout(self.norm(hidden), self.dropout, self.training)
        predicted = OUTPUT_SCALE * output
        return predicted + last_items if self.residual else predicted


class AttentionBlock(nn.Module):
    """Attention, then a layer of its own for each step; each adds to what it reads.

    Parameters
    ----------
    width, n_heads, window : int
    dropout : float
    """

    def __init__(self, width: int, n_heads: int, window: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.window = window
        self.dropout = dropout
        self.norm = nn.LayerNorm(width)
        self.read_size = -(-width // n_heads) * n_heads  # equal parts for all heads
        self.reads = nn.Linear(width, 3 * self.read_size)
        slopes = FIRST_SLOPE / 4.0 ** torch.arange(n_heads)
        self.distance_bias = nn.Parameter(-slopes[:, None] * torch.arange(window))
        self.adds = nn.Linear(self.read_size, width)
        self.step_norm = nn.LayerNorm(width)
        self.widens = nn.Linear(width, 2 * width)
        self.narrows = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, lanes: "Lanes") -> tuple[Tensor, Tensor, Tensor]:
        """Read packed steps.

        Returns
        -------
        outputs : Tensor of shape (n_steps, width)
        keys, values : Tensor of shape (n_steps, read_size)
        """
        queries, keys, values = self.reads(self.norm(x)).chunk(3, dim=1)
        found = [
            self._attend(*(each[rows] for each in (queries, keys, values))) for rows in lanes.groups
        ]
        attended = torch.cat([each.flatten(0, 1) for each in found])[lanes.places]
        return self._add(x, attended), keys, values

    def step(self, x: Tensor, read: Tensor, is_there: Tensor) -> tuple[Tensor, Tensor]:
        """Read one item each.

        Parameters
        ----------
        x : Tensor of shape (n, width)
        read : Tensor of shape (n, 2, window, read_size)
            Keys and values of the items before, the newest last.
        is_there : Tensor of shape (n, window), bool
            Which places hold an item, with the one that comes now at the last.

        Returns
        -------
        outputs : Tensor of shape (n, width)
        read : Tensor of shape (n, 2, window, read_size)
        """
        query, key, value = self.reads(self.norm(x)).chunk(3, dim=1)
        now = torch.stack([key, value], dim=1)
        read = torch.cat([read[:, :, 1:], now[:, :, None]], dim=2)
        keys, values = read.unbind(1)
        return self._attend_once(x, query, keys, values, is_there), read

    def last(self, x: Tensor, last: Tensor, rows: Tensor, is_there: Tensor) -> Tensor:
        """Read the last items of packed steps, each with its window: (n_sequences, width).

        Parameters
        ----------
        x : Tensor of shape (n_steps, width)
        last : Tensor of shape (n_sequences,), int64
            The last step of each sequence.
        rows : Tensor of shape (n_sequences, n_read), int64
            The last steps, as many as the window or the longest sequence has, the newest last.
        is_there : Tensor of shape (n_sequences, n_read), bool
        """
        normed, size = self.norm(x), self.read_size
        weight, bias = self.reads.weight, self.reads.bias
        query = F.linear(normed[last], weight[:size], bias[:size])
        keys, values = F.linear(normed, weight[size:], bias[size:])[rows].chunk(2, dim=2)
        return self._attend_once(x[last], query, keys, values, is_there)

    def _attend_once(
        self, x: Tensor, query: Tensor, keys: Tensor, values: Tensor, is_there: Tensor
    ) -> Tensor:
        """Attend from one step each: (n, read_size) to what (n, n_read, read_size) say."""
        bias = self.distance_bias[:, : keys.shape[1]].flip(1)[:, None]
        keys, values = self._heads(keys), self._heads(values)
        mask = torch.where(is_there[:, None, None], bias, -torch.inf)
        attended = F.scaled_dot_product_attention(self._heads(query[:, None]), keys, values, mask)
        return self._add(x, attended.flatten(1))

    def _add(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + F.dropout(self.adds(attended), self.dropout, self.training)
        widened = F.gelu(self.widens(self.step_norm(x)))
        return x + F.dropout(self.narrows(widened), self.dropout, self.training)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attend in sequences of one length: (n, n_times, read_size), as the result is."""
        n, n_times, width = queries.shape
        size = min(n_times, self.window)
        n_chunks = -(-n_times // size)
        # in chunks as long as the window: a query sees keys of its own and of the one before
        padding = (0, 0, 0, n_chunks * size - n_times)
        parts = [
            F.pad(each, padding).reshape(n * n_chunks, size, width)
            for each in (queries, keys, values)
        ]
        queries, keys, values = map(self._heads, parts)
        bias = self._bias(size, n_chunks, queries)
        if n_chunks > 1:
            keys, values = (_with_one_before(each, n_chunks) for each in (keys, values))
            bias = bias.repeat(n, 1, 1, 1)
        found = F.scaled_dot_product_attention(queries, keys, values, bias)
        found = found.transpose(1, 2).reshape(n, n_chunks * size, width)
        return found[:, :n_times]

    def _bias(self, size: int, n_chunks: int, like: Tensor) -> Tensor:
        """Say what is added to the scores in each chunk: (n_chunks, n_heads, size, n_keys)."""
        n_before = size if n_chunks > 1 else 0
        times = torch.arange(-n_before, size, device=like.device)
        distances = times[n_before:, None] - times
        is_seen = (distances >= 0) & (distances < self.window)
        bias = self.distance_bias[:, distances.clamp(0, self.window - 1)].to(like.dtype)
        bias = bias.masked_fill(~is_seen, -torch.inf).expand(n_chunks, -1, -1, -1)
        if n_before:
            is_first = torch.arange(n_chunks, device=like.device)[:, None] == 0
            bias = bias.masked_fill((is_first & (times < 0))[:, None, None], -torch.inf)
        return bias

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.n_heads, -1).transpose(-2, -3)


def _with_one_before(x: Tensor, n_chunks: int) -> Tensor:
    """Put each chunk's predecessor in front of it; what comes before the first is nothing."""
    chunks = x.reshape(-1, n_chunks, *x.shape[1:])
    before = F.pad(chunks[:, :-1], (0, 0) * (x.dim() - 1) + (1, 0))
    return torch.cat([before, chunks], dim=-2).flatten(0, 1)


@dataclass(frozen=True)
class Lanes:
    """Where the steps of packed sequences are, sequence by sequence.

    Parameters
    ----------
    groups : list of Tensor of shape (n_sequences, n_times), int64
        Steps of sequences of similar length; what is beyond the end of one is any step.
    places : Tensor of shape (n_steps,), int64
        Where each step is among all places of the groups.
    """

    groups: list[Tensor]
    places: Tensor

    @classmethod
    def of(cls, packed: Packing, device: torch.device) -> "Lanes":
        """Put sequences into groups in which the longest is at most twice as long as any."""
        sizes, lengths = packed.batch_sizes, packed.lengths
        starts = sizes.cumsum(0) - sizes
        places, groups = torch.empty(int(sizes.sum()), dtype=torch.int64), []
        first, n_places = 0, 0
        while first < len(lengths):
            n_times = int(lengths[first])
            stop = int(sizes[(n_times + 1) // 2 - 1])  # those that are half as long, or longer
            lanes, times = torch.arange(first, stop), torch.arange(n_times)
            is_there = times < lengths[lanes, None]
            rows = torch.where(is_there, starts[:n_times] + lanes[:, None], 0)
            places[rows[is_there]] = n_places + is_there.flatten().nonzero()[:, 0]
            groups.append(rows.to(device))
            first, n_places = stop, n_places + rows.numel()
        return cls(groups, places.to(device))


def _last_rows(packed: Packing, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Find the last ``n`` steps of each sequence, and whether there are so many.

    Returns
    -------
    rows : Tensor of shape (n_sequences, n), int64
    is_there : Tensor of shape (n_sequences, n, 1), bool
    """
    sizes = packed.batch_sizes
    times = packed.lengths[:, None] - torch.arange(n, 0, -1)
    rows = (sizes.cumsum(0) - sizes)[times.clamp(min=0)] + torch.arange(len(times))[:, None]
    return rows.to(device), (times >= 0)[..., None].to(device)

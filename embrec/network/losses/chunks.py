"""How a loss over steps times items stays within bounded memory.

Scores are computed for some steps at a time, turned in place into their gradient, and multiplied
out: what is kept is as large as the embeddings, never steps times items. The gradients come along
with the loss, so nothing is computed again in the backward pass.

A chunk is (items, steps), not the other way round: a tall product runs nearer to the machine's
limit on a CPU (benchmarks/kernels.py).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Bytes of scores held at a time, unless the embeddings are larger: about what caches hold.
CHUNK_MEMORY = 16 * 2**20


@dataclass(frozen=True)
class Chunk:
    """Scores of some steps, ready for a kernel.

    Parameters
    ----------
    scores : Tensor of shape (n_candidates, n_steps)
        A kernel leaves the gradient of the summed loss in it, up to ``scale``. The last steps may
        be padding, of scores 0.
    target_scores : Tensor of shape (n_steps,)
        float32, or float64 if that is what is computed with.
    own : tuple of Tensor
        Cells of ``scores`` where the candidate is the step's own next item, and so no negative.
    bounded : bool
        Whether every score is small enough for its exponential to be taken as it is.
    """

    scores: Tensor
    target_scores: Tensor
    own: tuple[Tensor, Tensor]
    bounded: bool


@dataclass(frozen=True)
class Gradient:
    """What a kernel says of a chunk.

    Parameters
    ----------
    loss : Tensor of shape (n_steps,)
    targets : Tensor of shape (n_steps,)
        Gradient of each step's loss in the score of its next item.
    scale : Tensor of shape (n_steps,), or None
        What each step's column of gradients is still to be multiplied with: cheaper to apply to the
        embeddings than to the scores.
    """

    loss: Tensor
    targets: Tensor
    scale: Tensor | None = None

    def times(self, weights: Tensor) -> "Gradient":
        """Weigh the steps."""
        weights = weights.to(self.loss.dtype)
        scale = weights if self.scale is None else self.scale * weights
        return Gradient(self.loss * weights, self.targets * weights, scale)


Kernel: TypeAlias = Callable[[Chunk], Gradient]

#: exp(±60) and sums of a hundred million of them are far from float32's limits.
_SAFE_SCORE = 60.0
#: Sums over items run ten times faster if the columns beside them fill whole vectors.
_VECTOR = 64


def contrast(
    predicted: Tensor,
    items: Tensor,
    targets: Tensor,
    negatives: Tensor | None,
    kernel: Kernel,
    n_buffers: int,
    memory: int | None,
    precision: torch.dtype | None,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean loss over steps, of a kernel that sees some steps at a time.

    Parameters
    ----------
    predicted, items, targets, negatives, memory, precision, weights
        As for `embrec.network.losses.cross_entropy`.
    kernel : callable
    n_buffers : int
        How many chunks' worth of memory the kernel needs.

    Returns
    -------
    Tensor of shape ()
    """
    if negatives is not None and len(negatives) == 0:
        return 0 * (predicted.sum() + items.sum())  # nothing to be set against
    if memory is None:
        memory = max(CHUNK_MEMORY, items.element_size() * items.numel())
    loss: Tensor = _Contrast.apply(  # type: ignore[no-untyped-call]
        predicted, items, targets, negatives, kernel, memory // n_buffers, precision, weights
    )
    return loss


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        predicted: Tensor,
        items: Tensor,
        targets: Tensor,
        negatives: Tensor | None,
        kernel: Kernel,
        memory: int,
        precision: torch.dtype | None,
        weights: Tensor | None,
    ) -> Tensor:
        candidates = items if negatives is None else items[negatives]
        factors = candidates.to(precision or predicted.dtype)
        positives = items[targets]
        target_scores = (predicted * positives).sum(1)
        own, ends = _own_cells(targets, negatives)
        bounded = _are_bounded(predicted, candidates)
        product = _Product(candidates, factors)
        predicted_grad = torch.empty_like(predicted)
        target_grad = torch.empty_like(target_scores)
        loss = target_scores.new_zeros(())
        size = _chunk_size(len(predicted), factors, memory)
        buffer = factors.new_empty(len(factors) * size)
        for start in range(0, len(predicted), size):
            stop = min(start + size, len(predicted))
            steps, n = slice(start, stop), stop - start
            queries = _pad(predicted[steps], size)
            scores = buffer[: len(factors) * len(queries)].view(len(factors), len(queries))
            torch.mm(factors, queries.to(factors.dtype).T, out=scores)
            cells = slice(ends[start], ends[stop])
            chunk_own = (own[0][cells], own[1][cells] - start)
            chunk_targets = _pad(target_scores[steps], size)
            found = kernel(Chunk(scores, chunk_targets, chunk_own, bounded))
            if weights is not None:
                found = found.times(_pad(weights[steps], size))
            loss += found.loss[:n].sum()
            target_grad[steps] = found.targets[:n]
            predicted_grad[steps] = _scaled(scores.T @ factors, found.scale)[:n]
            product.add(scores, _scaled(queries, found.scale))
        predicted_grad += target_grad[:, None] * positives
        items_grad = product.total
        if negatives is not None:
            items_grad = torch.zeros_like(items).index_add_(0, negatives, product.total)
        items_grad.index_add_(0, targets, target_grad[:, None] * predicted)
        ctx.save_for_backward(predicted_grad, items_grad)
        ctx.total = len(predicted) if weights is None else weights.sum()
        return loss / ctx.total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        predicted_grad, items_grad = ctx.saved_tensors
        scale = gradients[0] / ctx.total
        return predicted_grad * scale, items_grad * scale, *[None] * 6


def _own_cells(
    targets: Tensor, negatives: Tensor | None
) -> tuple[tuple[Tensor, Tensor], list[int]]:
    """Where a candidate is a step's own target: cells sorted by step, and where each step ends."""
    steps = torch.arange(len(targets), device=targets.device)
    if negatives is None:
        return (targets, steps), list(range(len(targets) + 1))
    ordered, places = torch.sort(negatives, stable=True)
    targets = targets.contiguous()  # torch warns otherwise
    first = torch.searchsorted(ordered, targets)
    counts = torch.searchsorted(ordered, targets, right=True) - first
    ends = counts.cumsum(0)
    cell_steps = torch.repeat_interleave(steps, counts)
    within = torch.arange(len(cell_steps), device=targets.device) - (ends - counts)[cell_steps]
    cells = places[first[cell_steps] + within], cell_steps
    return cells, [0, *ends.tolist()]


def _are_bounded(predicted: Tensor, candidates: Tensor) -> bool:
    longest = [torch.linalg.vector_norm(x, dim=1).amax() for x in (predicted, candidates) if len(x)]
    return len(longest) == 2 and bool(longest[0] * longest[1] < _SAFE_SCORE)


def _scaled(rows: Tensor, scale: Tensor | None) -> Tensor:
    return rows if scale is None else rows * scale[:, None]


class _Product:
    """Sum of products of chunks, in the type of ``like`` whatever the chunks are of."""

    def __init__(self, like: Tensor, factors: Tensor) -> None:
        self.total = torch.zeros_like(like)
        self._part = None if like.dtype == factors.dtype else torch.empty_like(factors)

    def add(self, left: Tensor, right: Tensor) -> None:
        if self._part is None:
            self.total.addmm_(left, right)
        else:
            self.total += torch.mm(left, right.to(left.dtype), out=self._part)


def _chunk_size(n_steps: int, factors: Tensor, memory: int) -> int:
    """Cut steps into chunks of about one size, and of whole vectors where there is room."""
    size = max(1, memory // (factors.element_size() * max(1, len(factors))))
    if size < _VECTOR:
        return size
    n_chunks = math.ceil(n_steps / (size // _VECTOR * _VECTOR))
    return math.ceil(n_steps / max(1, n_chunks) / _VECTOR) * _VECTOR


def _pad(rows: Tensor, size: int) -> Tensor:
    """Append zeros up to whole vectors: they cost less than sums over odd columns do."""
    missing = -len(rows) % _VECTOR
    if size < _VECTOR or missing == 0:
        return rows
    return torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])])

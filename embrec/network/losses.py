"""Losses over the whole catalogue, in bounded memory."""

from typing import Any

import torch
from torch import Tensor

#: Bytes of scores held at a time; little beside the rest, enough to keep the products efficient.
CHUNK_MEMORY = 16 * 2**20


def full_cross_entropy(
    predicted: Tensor, items: Tensor, targets: Tensor, *, memory: int = CHUNK_MEMORY
) -> Tensor:
    """Cross-entropy of the next item among all items (thesis equations 4 and 5), mean over steps.

    Equal to ``cross_entropy(predicted @ items.T, targets)``, but the matrix of scores is never held
    whole, forward or backward: the gradients are computed along with the loss, some steps at a
    time, with the softmax in place.

    Parameters
    ----------
    predicted : Tensor of shape (n_steps, d)
        Predicted embeddings ê.
    items : Tensor of shape (n_items, d)
        Item embeddings e.
    targets : Tensor of shape (n_steps,), int64
        Row in ``items`` of each step's next item.
    memory : int, default=16 MiB
        Bytes of scores held at a time; a chunk has one step at least.

    Returns
    -------
    Tensor of shape ()
    """
    loss: Tensor = _FullCrossEntropy.apply(predicted, items, targets, memory)  # type: ignore[no-untyped-call]
    return loss


def shared_cross_entropy(predicted: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of many next items that share one prediction, mean over them.

    Parameters
    ----------
    predicted : Tensor of shape (1, d)
        The one predicted embedding.
    items : Tensor of shape (n_items, d)
        Item embeddings.
    targets : Tensor of shape (n_targets,), int64
        Rows in ``items``.

    Returns
    -------
    Tensor of shape ()
    """
    scores = (predicted @ items.T)[0]
    # not scores[targets].mean(), whose gradient is summed in an order that differs from run to run
    counts = torch.bincount(targets, minlength=len(items)).to(scores.dtype)
    return torch.logsumexp(scores, dim=0) - counts @ scores / len(targets)


class _FullCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, predicted: Tensor, items: Tensor, targets: Tensor, memory: int) -> Tensor:
        n_steps = len(predicted)
        chunk = max(1, memory // (items.element_size() * len(items)))
        loss = predicted.new_zeros(())
        predicted_grad = torch.empty_like(predicted)
        items_grad = torch.zeros_like(items)
        for start in range(0, n_steps, chunk):
            steps = slice(start, start + chunk)
            queries, columns = predicted[steps], targets[steps, None]
            scores = queries @ items.T
            scores -= scores.amax(dim=1, keepdim=True)
            target_scores = scores.gather(1, columns)
            totals = scores.exp_().sum(dim=1, keepdim=True)
            loss += (totals.log() - target_scores).sum()
            # softmax minus one-hot is the gradient of the sum of losses
            scores /= totals
            scores.scatter_add_(1, columns, torch.full_like(target_scores, -1))
            torch.mm(scores, items, out=predicted_grad[steps])
            items_grad.addmm_(scores.T, queries)
        ctx.save_for_backward(predicted_grad, items_grad)
        ctx.n_steps = n_steps
        return loss / n_steps

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        predicted_grad, items_grad = ctx.saved_tensors
        scale = gradients[0] / ctx.n_steps
        return predicted_grad * scale, items_grad * scale, None, None

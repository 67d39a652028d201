"""The vectors with the largest scores, exactly."""

import numpy as np
import torch
from torch import Tensor

from embrec.scoring.candidates import Candidates
from embrec.scoring.products import SCORE_MEMORY, Vectors, score_blocks

#: How many scores a block has, of which top-k looks at the largest first.
BLOCK = 256


def top_k(
    queries: Vectors,
    vectors: Vectors | list[Vectors],
    k: int,
    candidates: Candidates | None = None,
    *,
    memory: int = SCORE_MEMORY,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the vectors with the largest inner products, exactly.

    Parameters
    ----------
    queries : Tensor, ndarray or CSR of shape (n_queries, d)
    vectors : Tensor, ndarray or CSR of shape (n_vectors, d)
    k : int
        How many to return for each query.
    candidates : Candidates, optional
        Which vectors may answer; all by default.
    memory : int, default=64 MiB
        Bytes of scores held at a time.

    Returns
    -------
    rows : ndarray of shape (n_queries, k), int64
        Rows of ``vectors``, best first; -1 where fewer than ``k`` may answer.
    scores : ndarray of shape (n_queries, k), float32
        Their inner products; -inf where the row is -1.

    Notes
    -----
    A vector whose inner product is NaN is not found.
    """
    parts = vectors if isinstance(vectors, list) else [vectors]
    n_found = min(k, sum(part.shape[0] for part in parts))
    rows = np.full((queries.shape[0], k), -1, dtype=np.int64)
    values = np.full((queries.shape[0], k), -np.inf, dtype=np.float32)
    for start, scores in score_blocks(queries, vectors, memory=memory):
        if candidates is not None:
            candidates.mask(scores, start)
        best, where = largest(scores, n_found)
        if best.isnan().any():  # NaN sorts as the largest
            best, where = largest(scores.masked_fill_(scores.isnan(), -torch.inf), n_found)
        block = slice(start, start + len(scores))
        values[block, :n_found] = best.cpu().numpy()
        rows[block, :n_found] = where.cpu().numpy()
    rows[np.isneginf(values)] = -1
    return rows, values


def largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Do as ``torch.topk(scores, k, dim=1)`` does, several times as fast for small k.

    The k largest are in the k blocks whose maxima are largest.

    Parameters
    ----------
    scores : Tensor of shape (n, m)
    k : int
        At most m.

    Returns
    -------
    values, columns : Tensor of shape (n, k)
        Largest first.
    """
    n_blocks = scores.shape[1] // BLOCK
    if n_blocks < 4 * k or scores.device.type != "cpu":
        return torch.topk(scores, k, dim=1)
    whole = scores[:, : n_blocks * BLOCK].reshape(len(scores), n_blocks, BLOCK)
    blocks = torch.topk(whole.amax(2), k, dim=1, sorted=False).indices
    columns = (blocks[:, :, None] * BLOCK + torch.arange(BLOCK)).flatten(1)
    rest = torch.arange(n_blocks * BLOCK, scores.shape[1]).expand(len(scores), -1)
    columns = torch.cat([columns, rest], dim=1)
    values, places = torch.topk(scores.gather(1, columns), k, dim=1)
    return values, columns.gather(1, places)

"""The two kernels that training spends its time in, against the plain ways to write them.

    python benchmarks/kernels.py

Ratios in one run, medians; memory as the growth of the process's peak, each measured in a process
of its own.
"""

import multiprocessing
import warnings
from functools import partial

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from _common import gemm_gflops, median_seconds, peak_mib, reset_peak, rss_mib, write_result

import embrec.network.losses as losses
from embrec.network import SparseMatrix
from embrec.network.losses.chunks import Chunk, Gradient, contrast


def sparse_layer(n_items: int = 2420, n_features: int = 5000, nnz: int = 150) -> dict[str, float]:
    """First layer over tf-idf rows, forward and backward."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    features = sp.random(n_items, n_features, nnz / n_features, format="csr", rng=rng)
    features = features.astype(np.float32)
    weight = torch.randn(n_features, 128, requires_grad=True)
    ours = SparseMatrix(features, torch.device("cpu"))
    coo = torch.sparse_coo_tensor(
        torch.from_numpy(np.array(features.nonzero())), torch.from_numpy(features.data)
    ).coalesce()
    indices = torch.from_numpy(features.indices.astype(np.int64))
    offsets = torch.from_numpy(features.indptr[:-1].astype(np.int64))
    values = torch.from_numpy(features.data)
    bag = {"mode": "sum", "per_sample_weights": values}
    seconds = {
        "ours": median_seconds(lambda: (ours @ weight).sum().backward(), 21),
        "coo": median_seconds(lambda: torch.sparse.mm(coo, weight).sum().backward(), 21),
        "embedding_bag": median_seconds(
            lambda: F.embedding_bag(indices, weight, offsets, **bag).sum().backward(), 21
        ),
    }
    return seconds | {f"{k}/ours": v / seconds["ours"] for k, v in seconds.items() if k != "ours"}


def _plain(predicted, items, targets):
    return F.cross_entropy(predicted @ items.T, targets)


def _torch_chunked(predicted, items, targets):
    options = torch.nn.LinearCrossEntropyOptions()
    return F.linear_cross_entropy(predicted, items, targets, options=options)


def _plain_bpr(predicted, items, targets):
    scores = predicted @ items.T
    return -F.logsigmoid(scores.gather(1, targets[:, None]) - scores).mean()


def _plain_bpr_max(predicted, items, targets):
    scores = predicted @ items.T
    own = F.one_hot(targets, len(items)).bool()
    weights = torch.softmax(scores.masked_fill(own, -torch.inf), 1)
    ahead = torch.sigmoid(scores.gather(1, targets[:, None]) - scores)
    squares = (weights * scores**2).sum(1)
    return (squares - torch.log((weights * ahead).sum(1) + 1e-24)).mean()


def _products_alone(predicted, items, targets, precision=None):
    """What a loss in chunks cannot do without: scores, and their products on either side."""
    return contrast(predicted, items, targets, None, _nothing, 1, None, precision)


def _nothing(chunk: Chunk) -> Gradient:
    zeros = torch.zeros_like(chunk.target_scores)
    return Gradient(loss=zeros, targets=zeros)


BF16 = {"precision": torch.bfloat16}
WAYS = {
    "cross_entropy": {
        "ours": losses.cross_entropy,
        "ours, bfloat16": partial(losses.cross_entropy, **BF16),
        "plain": _plain,
        "torch chunked": _torch_chunked,
        "products alone": _products_alone,
        "products alone, bfloat16": partial(_products_alone, **BF16),
    },
    "bpr": {
        "ours": losses.bpr,
        "ours, bfloat16": partial(losses.bpr, **BF16),
        "plain": _plain_bpr,
    },
    "bpr_max": {
        "ours": losses.bpr_max,
        "ours, bfloat16": partial(losses.bpr_max, **BF16),
        "plain": _plain_bpr_max,
    },
}
if not hasattr(F, "linear_cross_entropy"):  # older than torch 2.13
    del WAYS["cross_entropy"]["torch chunked"]


def _step(loss: str, way: str, n_steps: int, n_items: int):
    predicted = (0.3 * torch.randn(n_steps, 128)).requires_grad_()
    items = (0.3 * torch.randn(n_items, 128)).requires_grad_()
    targets = torch.randint(0, n_items, (n_steps,))
    return lambda: WAYS[loss][way](predicted, items, targets).backward()


def _peak_growth(loss: str, way: str, n_steps: int, n_items: int) -> float:
    """Growth of the resident set's peak over one call, in MiB (Linux)."""
    step = _step(loss, way, n_steps, n_items)
    _step(loss, way, 8, 8)()
    before = rss_mib()
    reset_peak()
    step()
    return peak_mib() - before


def all_items(loss: str, n_steps: int = 3800, n_items: int = 22154) -> dict[str, dict[str, float]]:
    """Time a loss over all items, forward and backward, and the share of the machine's limit."""
    limits = {"float32": gemm_gflops(torch.float32), "bfloat16": gemm_gflops(torch.bfloat16)}
    figures = {}
    for way in WAYS[loss]:
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            memory = pool.apply(_peak_growth, (loss, way, n_steps, n_items))
        seconds = median_seconds(_step(loss, way, n_steps, n_items), 7)
        # the scores, and their product with the embeddings on either side
        gflops = 6 * n_steps * n_items * 128 / seconds / 1e9
        limit = limits["bfloat16" if "bfloat16" in way else "float32"]
        figures[way] = {
            "seconds": seconds,
            "mib": memory,
            "gflops": gflops,
            "share of one large product": gflops / limit,
        }
    for way in figures.values():
        way["plain/this"] = figures["plain"]["seconds"] / way["seconds"]
    return figures


def main() -> None:
    figures = {"sparse_layer": sparse_layer(), **{loss: all_items(loss) for loss in WAYS}}
    for name, values in figures.items():
        print(name)
        for key, value in values.items():
            shown = value if isinstance(value, float) else ""
            print(f"    {key:24} {shown}")
            if isinstance(value, dict):
                print("".join(f"        {k:28} {v:10.4f}\n" for k, v in value.items()), end="")
    write_result("kernels", figures)


if __name__ == "__main__":
    main()

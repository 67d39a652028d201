"""The two kernels that training spends its time in, against the plain ways to write them.

    python benchmarks/kernels.py

Ratios in one run, medians; memory as the growth of the process's peak, each measured in a process
of its own.
"""

import multiprocessing
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from _common import median_seconds, write_result

from embrec.network import SparseMatrix, cross_entropy


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


def _loss_step(kind: str, n_steps: int, n_items: int):
    predicted = torch.randn(n_steps, 128, requires_grad=True)
    items = torch.randn(n_items, 128, requires_grad=True)
    targets = torch.randint(0, n_items, (n_steps,))
    if kind == "ours":
        return lambda: cross_entropy(predicted, items, targets).backward()
    return lambda: F.cross_entropy(predicted @ items.T, targets).backward()


def _peak_growth(kind: str, n_steps: int, n_items: int) -> float:
    """Growth of the resident set's peak over one call, in MiB (Linux)."""
    step = _loss_step(kind, n_steps, n_items)
    _loss_step(kind, 8, n_items)()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    step()
    return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))


def cross_entropy(n_steps: int = 3800, n_items: int = 22154) -> dict[str, float]:
    """Cross-entropy over all items, forward and backward."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = {
            f"{kind}_mib": pool.apply(_peak_growth, (kind, n_steps, n_items))
            for kind in ("ours", "plain")
        }
    seconds = {k: median_seconds(_loss_step(k, n_steps, n_items), 7) for k in ("ours", "plain")}
    return {**seconds, "plain/ours": seconds["plain"] / seconds["ours"], **memory}


def main() -> None:
    figures = {"sparse_layer": sparse_layer(), "cross_entropy": cross_entropy()}
    for name, values in figures.items():
        print(name)
        for key, value in values.items():
            print(f"    {key:24} {value:10.4f}")
    write_result("kernels", figures)


if __name__ == "__main__":
    main()

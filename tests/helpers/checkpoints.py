"""States of training, and the folder that they are kept in."""

import hashlib
import json
import os
import struct

import numpy as np
import torch

from embrec.training.checkpoint import CheckpointFolder

RUN = "c0ffee"


CHECKSUM = 32


def open_folder(path, **changes):
    return CheckpointFolder(path, **{"run_id": RUN, "keep_last": 2, **changes})


def names(path):
    return sorted(os.listdir(path))


def name(step):
    return f"step-{step:010d}.ckpt"


def make_state(step):
    rng = np.random.default_rng(step)
    weights = torch.from_numpy(rng.standard_normal((4, 3)).astype(np.float32))
    return {"step": step, "weights": weights, "codes": rng.integers(0, 9, 5)}


def raw(tensor):
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def rewritten(path, change):
    """Change a file's header, and write the checksum that goes with it."""
    content = path.read_bytes()[:-CHECKSUM]
    (n_header,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + n_header])
    header = change(header) or header
    text = json.dumps(header).encode()
    content = struct.pack("<Q", len(text)) + text + content[8 + n_header :]
    path.write_bytes(content + hashlib.blake2b(content, digest_size=CHECKSUM).digest())


def assert_same(found, expected):
    """Demand the same types, shapes and bits, all the way down."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        # keys are compared as values are: True is not 1, nor 1.0
        assert_same(list(found.keys()), list(expected.keys()))
        assert_same(list(found.values()), list(expected.values()))
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
    elif isinstance(expected, torch.Tensor):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.device.type == "cpu"
        assert raw(found) == raw(expected)
    elif isinstance(expected, np.ndarray | np.generic):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()
    elif isinstance(expected, float):
        assert struct.pack("<d", found) == struct.pack("<d", expected)
    else:
        assert found == expected

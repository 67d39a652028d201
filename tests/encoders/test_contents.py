"""Equal contents are equal, in all processes, and others are not."""

import enum
import functools
import os
import pickle
import re
import subprocess
import sys
import threading
import uuid
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from torch import nn

import embrec
from embrec.encoders import contents
from embrec.encoders.contents import UnknownContentError, hash_content

SIZE = 3
TABLE = {"red": 1}
TENSOR = torch.arange(3.0)
SETTINGS = ModuleType("settings_of_mine")


def known(value):
    return hash_content(value, reads=True)


def by_name(value):
    return hash_content(value, reads=False)


class Mode(enum.Enum):
    FAST = 1
    EXACT = 2


@dataclass(frozen=True)
class Setting:
    width: int
    modes: list = field(default_factory=list)


class Words:
    def __init__(self, pattern):
        self.pattern = pattern

    def __call__(self, text):
        return re.findall(self.pattern, text)[:SIZE]


class Units(np.ndarray):
    pass


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class Net(nn.Module):
    def __init__(self, factor=1.0):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.layer.weight.data.fill_(1)
        self.layer.bias.data.fill_(0)
        self.factor = factor

    def forward(self, x):
        return self.layer(x) * self.factor


def hooked(factor):
    network = Net()
    network.register_forward_hook(lambda module, inputs, output: output * factor)
    return network


def compiled_network():
    """As torch.compile does, which takes seconds to import."""
    network = nn.Module()
    network._orig_mod = Net()
    network.history = str(uuid.uuid4())
    return network


def compiled(function):
    """As torch.compile does, which takes seconds to import."""
    history = str(uuid.uuid4())

    def run(*values):
        return history and function(*values)

    run._torchdynamo_orig_callable = function
    return run


def circle(value):
    first, second = SimpleNamespace(value=value), SimpleNamespace(value=value)
    first.other, second.other = second, first
    return first


def parent(is_shared):
    """Two children that know it, which are one or equal."""
    above = SimpleNamespace()
    child = SimpleNamespace(above=above)
    above.children = [child, [child if is_shared else SimpleNamespace(above=above)]]
    return above


def structured(filling):
    """Fields with bytes between them that nothing determines."""
    dtype = np.dtype([("a", "i1"), ("b", "<f8")], align=True)
    array = np.full(4, filling, dtype=np.uint64).view(dtype)
    array["a"], array["b"] = 1, 2
    return array


def compressed(kind):
    with warnings.catch_warnings():  # torch calls them a beta
        warnings.simplefilter("ignore")
        return getattr(torch.eye(2), f"to_sparse_{kind}")()


def entries(places, values):
    return torch.sparse_coo_tensor(places, values, check_invariants=True)


BLOCK = torch.arange(12.0).reshape(3, 4)
PAIRS = {
    "array": (np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2)),
    "dtype": (np.zeros(2, "f4"), np.zeros(2, "i4")),
    "objects": (np.array(["a", None, 1], object), np.array(["a", None, 2], object)),
    "strings": (np.array(["a", "bc"]), np.array(["ab", "c"])),
    "array of a subclass": (np.eye(2).view(Units), np.eye(2).view(Units) * 2),
    "subclass": (np.eye(2).view(Units), np.eye(2)),
    "tensor": (BLOCK, BLOCK + 1),
    "tensor type": (BLOCK, BLOCK.double()),
    "half": (torch.ones(2).bfloat16(), torch.ones(2).half()),
    "sparse": (torch.eye(2).to_sparse(), torch.eye(2).to_sparse() * 2),
    "sparse rows": (compressed("csr"), compressed("csc")),
    "network": (Net(), nn.Sequential(Net())),
    "attribute of a network": (Net(1.0), Net(2.0)),
    "hook": (hooked(1), hooked(2)),
    "dataclass": (Setting(1, [2]), Setting(1, [3])),
    "enum": (Mode.FAST, Mode.EXACT),
    "set": ({"a", "b", 1}, {"a", "b", 2}),
    "set of others": (frozenset({Setting, Mode.FAST}), frozenset({Setting, Mode.EXACT})),
    "order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "kind": ([1, 2], (1, 2)),
    "number": (1, True),
    "nested": ([[1], [2, 3]], [[1, 2], [3]]),
    "slots": (Slotted(1), Slotted(2)),
    "circle": (circle(1), circle(2)),
    "frame": (pd.DataFrame({"a": ["x", None]}), pd.DataFrame({"b": ["x", None]})),
    "matrix": (sp.csr_array(np.eye(2)), sp.csc_array(np.eye(2))),
    "method": (Words("a").__call__, Words("b").__call__),
    "pattern": (re.compile("a").findall, re.compile("a", re.I).findall),
}  # fmt: skip


@pytest.mark.parametrize("way", [known, by_name], ids=["reads", "by name"])
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_contents_count(pair, way):
    one, other = pair
    assert way(one) == way(one)
    assert way(one) != way(other)
    if way(one) != way(hooked(1)):  # a lambda cannot be pickled
        copied = pickle.loads(pickle.dumps(one))
        assert way(copied) == way(one)


SAME = {
    "part of a tensor": (BLOCK[:, ::2], BLOCK[:, ::2].clone()),
    "turned tensor": (BLOCK.T, BLOCK.T.contiguous()),
    "parameter": (BLOCK, nn.Parameter(BLOCK)),
    "conjugate": (torch.tensor([1 + 1j]).conj(), torch.tensor([1 - 1j])),
    "summed": (entries([[0, 0]], [1, 2]), entries([[0]], [3])),
    "part of an array": (np.eye(4)[::2, ::2], np.eye(4)[::2, ::2].copy()),
    "Fortran": (np.asfortranarray(np.eye(2, 3)), np.eye(2, 3)),
    "between fields": (structured(0), structured(2**64 - 1)),
    "one or two": ([SETTINGS.__dict__, SETTINGS.__dict__], [dict(vars(SETTINGS)), vars(SETTINGS)]),
    "hooks of others before": (hooked(1), hooked(1)),
    "in a circle": (parent(is_shared=True), parent(is_shared=False)),
    "compiled": (compiled_network(), compiled_network()),
    "compiled function": (compiled(len), compiled(len)),
}  # fmt: skip


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_where_contents_lie_does_not_count(pair):
    one, other = pair
    assert known(one) == known(other)


def test_a_mapped_array_is_an_array(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3))
    assert known(np.load(tmp_path / "a.npy", mmap_mode="r")) == known(np.eye(3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_any_device():
    assert known(BLOCK.cuda()) == known(BLOCK)
    assert known(Net().cuda()) == known(Net())


# ---- what functions read


def reads_a_global(text):
    return text[:SIZE]


def calls_another(text):
    return list(map(reads_a_global, text))


def calls_itself(text):
    return calls_back(text[1:]) if text else SIZE


def calls_back(text):
    return calls_itself(text)


@functools.lru_cache
def remembers(text):
    return text[:SIZE]


@torch.no_grad()
def decorated(text):
    return text[:SIZE]


def reads_a_module(text):
    return text[: SETTINGS.width]


def imports_inside(text):
    from settings_of_mine import width

    return text[:width]


def inherits():
    class Long(Words):
        pass

    return Long("a")


def in_a_cell():
    settings = SETTINGS
    return lambda text: text[: settings.width]


def over_a_set():
    return {reads_a_global, calls_itself}


READERS = [
    reads_a_global, calls_another, calls_itself, remembers, decorated, reads_a_module,
    imports_inside, Words("a"), Words("a").__call__, inherits(), in_a_cell(), over_a_set(),
    functools.partial(calls_another, text="a"), lambda text: [x for x in text if x in SIZES()],
    compiled(calls_another),
]  # fmt: skip


def SIZES():
    return [SIZE]


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.setitem(sys.modules, "settings_of_mine", SETTINGS)
    monkeypatch.setattr(SETTINGS, "width", 3, raising=False)
    monkeypatch.setattr(SETTINGS, "of_no_account", 3, raising=False)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_read_counts(reader, settings, monkeypatch):
    before, name = known(reader), by_name(reader)
    monkeypatch.setattr(SETTINGS, "of_no_account", 4)
    assert known(reader) == before
    monkeypatch.setattr(SETTINGS, "width", 4)
    monkeypatch.setitem(globals(), "SIZE", 4)
    assert known(reader) != before
    assert by_name(reader) == name
    monkeypatch.undo()


def test_values_of_globals_are_looked_into(monkeypatch):
    def look_up(text):
        return TABLE[text] * TENSOR

    seen = {known(look_up)}
    monkeypatch.setitem(TABLE, "blue", 2)
    seen.add(known(look_up))
    monkeypatch.setitem(globals(), "TENSOR", torch.arange(4.0))
    seen.add(known(look_up))
    assert len(seen) == 3


def test_code_counts():
    def source(number):
        space = {}
        exec(
            f"def f(x, *, y={number}):\n    try:\n        return x + {number}\n    finally: pass",
            space,
        )
        return space["f"]

    assert known(source(1)) == known(source(1)) != known(source(2))


def test_what_nobody_can_know_is_refused(settings):
    letters = (letter for letter in "abc")
    held = [SETTINGS]
    refused = {
        r"^letters, which .* reads, is or holds a builtins.generator": lambda text: letters,
        r"^SETTINGS, which .* asked for anything": lambda text: getattr(SETTINGS, text),
        r"^held, which .* builtins.module": lambda text: held[0].width,
        r"^eval, which .* may read anything": lambda text: eval(text),
        r"^is or holds a _thread._local": Setting(1, [threading.local()]),
        r"^is or holds a .*Tensor that is neither": torch.zeros(1, device="meta"),
    }
    for words, value in refused.items():
        with pytest.raises(UnknownContentError, match=words):
            known(value)
        assert len(by_name(value)) == 32


def test_locks_hold_nothing():
    assert known(Setting(1, [threading.Lock()])) == known(Setting(1, [threading.Lock()]))


def test_depth_and_size_have_limits(monkeypatch):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UnknownContentError, match="nested too deep"):
        known(deep)
    assert len(by_name(deep)) == 32
    while deep:  # or its end would be as deep
        deep = deep[0]
    monkeypatch.setattr(contents, "MAX_PARTS", 100)
    with pytest.raises(UnknownContentError, match="more than 100 parts"):
        known([[i] for i in range(100)])


def test_other_processes_agree():
    """Though they hash strings otherwise. All of embrec would take seconds to import."""
    package = Path(embrec.__file__).parent
    code = f"""if True:
        import enum, functools, re, sys, types
        for name in ("embrec", "embrec.encoders"):
            stub = sys.modules[name] = types.ModuleType(name)
            stub.__path__ = [{str(package.parent)!r} + "/" + name.replace(".", "/")]
        import numpy as np
        from embrec.encoders.contents import hash_content
        WORDS = {{"a", "b", "c", ("d", 1)}}
        Mode = enum.Enum("Mode", ["FAST", "EXACT", "OTHER"])
        class Split:
            modes = frozenset(Mode)
            def __call__(self, text):
                return [w for w in text if w in WORDS or w in {{"x", "y", "z"}}]
        values = Split(), functools.partial(re.findall, "a"), np.arange(3), {{"a", 1.5, None}}
        for value in values:
            print(hash_content(value, reads=True), hash_content(value, reads=False))
    """
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    here = [functools.partial(re.findall, "a"), np.arange(3), {None, "a", 1.5}]
    assert found[0][2:] == [way(value) for value in here for way in (known, by_name)]

"""What a value holds, as a hash that is equal in all processes."""

import copyreg
import marshal
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from hashlib import blake2b
from types import CellType, CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any

import numpy as np

from embrec.encoders.reads import CodeReads, imported, is_found_by_name, is_library

#: Values of more parts are not looked through: it would take minutes.
MAX_PARTS = 2_000_000

_PLAIN = {type(None), bool, int, float, complex, str, bytes, type(...)}
#: They hold no values of their own.
_EMPTY = (
    type(threading.Lock()),
    type(threading.RLock()),
    weakref.WeakKeyDictionary,
    weakref.WeakValueDictionary,
    weakref.WeakSet,
)
#: What says nothing of how a class works, or differs from process to process.
_OF_NO_ACCOUNT = {
    "__abstractmethods__",
    "__annotate__",
    "__annotate_func__",
    "__annotations__",
    "__annotations_cache__",
    "__dataclass_fields__",
    "__dataclass_params__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__static_attributes__",
    "__weakref__",
    "_abc_impl",
}
_DYNAMIC = ("eval", "exec", "globals", "__import__")


class UnknownContentError(ValueError):
    """A value of which nobody can say what it holds.

    Parameters
    ----------
    reason : str
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.has_place = False


def hash_content(value: Any, *, reads: bool) -> str:
    """Hash what a value holds: 32 hexadecimal digits, equal in all processes.

    Arrays and tensors count by their elements, wherever they lie; sets whatever their order;
    other objects by what pickle would take of them. What Python, installed packages and embrec
    define is known by its name.

    Parameters
    ----------
    value : object
    reads : bool
        Whether functions and classes of others are known by their code and by all that it reads:
        closures, defaults, globals, and functions that it calls. If not, those that can be
        imported are known by their name, and the others by their code and what they hold.

    Returns
    -------
    str

    Raises
    ------
    UnknownContentError
        If nobody can say what some part holds, and `reads`. Otherwise its type counts.
    """
    try:
        return _Walk(reads).run(value).hex()
    except RecursionError:
        return _join(_unknown(value, reads, "is nested too deep")).hex()


class _Walk:
    """One way through all that a value holds.

    Functions and classes get a number where they are met first, and are looked into at the end:
    they name each other in circles. Other values may be copies or one and the same.

    Parameters
    ----------
    reads : bool
    above : mapping of int to int, default={}
        Depth, by identity, of what is being looked into.
    """

    def __init__(self, reads: bool, above: Mapping[int, int] = MappingProxyType({})) -> None:
        self._reads = reads
        self._depths = dict(above)
        self._known: dict[int, bytes] = {}
        self._kept: list[Any] = []  # or others would get their identity
        self._numbers: dict[int, int] = {}
        self._waiting: list[Any] = []
        self._modules: set[int] = set()
        self.lowest = sys.maxsize

    def run(self, value: Any) -> bytes:
        """Hash a value, and then all functions and classes that it leads to."""
        parts = [self._hash(value)]
        for defined in self._waiting:  # grows
            is_class = isinstance(defined, type)
            parts.append(self._class(defined) if is_class else self._function(defined))
        return _join(*parts)

    def _hash(self, value: Any) -> bytes:
        if type(value) in _PLAIN:
            return _plain(value)
        key = id(value)
        if key in self._known:
            return self._known[key]
        if key in self._depths:
            self.lowest = min(self.lowest, self._depths[key])
            return _join(b"above", _plain(len(self._depths) - self._depths[key]))
        self._kept.append(value)
        if len(self._kept) > MAX_PARTS:
            return _unknown(value, self._reads, f"is among more than {MAX_PARTS:,} parts")
        outer, self.lowest = self.lowest, sys.maxsize
        depth = self._depths[key] = len(self._depths)
        try:
            found = self._look_into(value)
        finally:
            del self._depths[key]
        if self.lowest >= depth:  # it says the same wherever it is met
            self._known[key] = found
            self.lowest = sys.maxsize
        self.lowest = min(outer, self.lowest)
        return found

    def _look_into(self, value: Any) -> bytes:
        if type(value) in (list, tuple, dict):
            return self._collection(value)
        for kinds, way in _WAYS:
            if isinstance(value, kinds):
                return way(self, value)
        torch: Any = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            return self._tensor(value, torch)
        if torch is not None and isinstance(value, torch.nn.Module):
            return self._network(value, torch)
        return self._object(value)

    def _all(self, kind: bytes, values: Iterable[Any]) -> bytes:
        return _join(kind, *map(self._hash, values))

    # ---- data

    def _collection(self, value: Any) -> bytes:
        is_dict = type(value) is dict
        flat = set(map(type, value)) | (set(map(type, value.values())) if is_dict else set())
        if flat <= _PLAIN:  # vocabularies have millions
            return _buffer(marshal.dumps(value, 2))
        parts = [part for item in value.items() for part in item] if is_dict else value
        return self._all(type(value).__name__.encode(), parts)

    def _set(self, values: Set[Any]) -> bytes:
        if set(map(type, values)) <= _PLAIN:
            members = [_buffer(b"".join(sorted(marshal.dumps(value, 2) for value in values)))]
        else:
            members = sorted(self._members(values))
        return _join(b"set", self._hash(type(values)), *members)

    def _members(self, values: Set[Any]) -> Iterator[bytes]:
        """Hash each by itself: numbers would depend on the order."""
        for value in values:
            walk = _Walk(self._reads, self._depths)
            yield walk.run(value)
            self.lowest = min(self.lowest, walk.lowest)

    def _array(self, array: np.ndarray) -> bytes:
        if type(array) not in (np.ndarray, np.memmap):
            return self._object(array)
        about: list[Any] = [str(array.dtype), array.shape]
        if array.dtype.names is not None:  # there may be anything between the fields
            about += [array[name] for name in array.dtype.names]
        elif array.dtype.kind in "OT":
            about.append(array.reshape(-1).tolist())
        elif array.dtype.kind in "fc" and array.dtype.char in "gG":  # anything behind the bits
            about.append(array.reshape(-1).astype(str))
        else:
            about.append(_buffer(np.ascontiguousarray(array).reshape(-1).view(np.uint8)))
        return self._all(b"array", about)

    def _tensor(self, tensor: Any, torch: Any) -> bytes:
        about: list[Any] = [str(tensor.dtype), str(tensor.layout), tuple(tensor.shape)]
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
            about.append(type(tensor))
        tensor = tensor.detach()
        if tensor.is_quantized or tensor.is_nested or tensor.is_meta:
            return _unknown(tensor, self._reads, "is neither dense nor sparse")
        if tensor.layout == torch.strided:
            tensor = tensor.resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
            return self._all(b"tensor", [*about, _buffer(tensor.view(torch.uint8).numpy())])
        if tensor.layout == torch.sparse_coo:
            tensor = tensor.coalesce()
        of_rows, of_columns = ("crow_indices", "col_indices"), ("ccol_indices", "row_indices")
        parts: dict[Any, tuple[str, ...]] = {
            torch.sparse_coo: ("indices",),
            torch.sparse_csr: of_rows,
            torch.sparse_bsr: of_rows,
            torch.sparse_csc: of_columns,
            torch.sparse_bsc: of_columns,
        }
        if tensor.layout not in parts:
            return _unknown(tensor, self._reads, "is neither dense nor sparse")
        names = (*parts[tensor.layout], "values")
        return self._all(b"sparse", [*about, *(getattr(tensor, name)() for name in names)])

    def _network(self, network: Any, torch: Any) -> bytes:
        network = getattr(network, "_orig_mod", network)  # of torch.compile
        if isinstance(network, torch.jit.ScriptModule):
            code = [part.code for part in network.modules() if hasattr(part, "forward")]
            return self._all(b"script", [network.state_dict(), code])
        held = vars(network)
        if is_library(type(network).__module__):  # it knows what else it keeps, as on its history
            kept = ("_parameters", "_buffers", "_modules")
            held = {k: v for k, v in held.items() if type(v) in _PLAIN or k in kept or "hooks" in k}
        # hooks are numbered in the order of all in the process
        parts = {k: list(v.values()) if "_hooks" in k and v else v for k, v in held.items()}
        return self._all(b"network", [type(network), parts])

    def _object(self, value: Any) -> bytes:
        """Take an object apart as pickle does."""
        reduce = copyreg.dispatch_table.get(type(value))
        try:
            reduced = reduce(value) if reduce is not None else value.__reduce_ex__(4)
        except Exception as error:  # whatever an object raises that cannot be pickled
            return _unknown(value, self._reads, f"cannot be looked into ({error})")
        if isinstance(reduced, str):  # its name
            if hasattr(value, "__wrapped__") and (self._reads or not is_found_by_name(value)):
                return self._all(b"wrapper", [type(value), value.__wrapped__])
            return _plain(f"{getattr(value, '__module__', None)}.{reduced}")
        function, arguments, state, *items = [*reduced, None, None, None][:5]
        parts = [None if part is None else list(part) for part in items]
        return self._all(b"object", [type(value), function, arguments, state, *parts])

    # ---- functions and classes

    def _accessor(self, value: Any) -> bytes:
        is_property = isinstance(value, property)
        functions = [value.fget, value.fset, value.fdel] if is_property else [value.__func__]
        return self._all(type(value).__name__.encode(), functions)

    def _module(self, module: ModuleType) -> bytes:
        if self._reads and not is_library(module.__name__):
            return _unknown(module, True, "may be asked for anything in it")
        return _plain(module.__name__)

    def _definition(self, value: Any) -> bytes:
        value = getattr(value, "_torchdynamo_orig_callable", value)  # of torch.compile
        if is_found_by_name(value) and (not self._reads or is_library(value.__module__)):
            return _plain(f"{value.__module__}.{value.__qualname__}")
        if isinstance(value, type) and is_library(value.__module__):
            return _plain(f"{value.__module__}.{value.__qualname__}")
        number = self._numbers.setdefault(id(value), len(self._numbers))
        if number == len(self._waiting):
            self._waiting.append(value)
        return _join(b"number", _plain(number))

    def _class(self, cls: type) -> bytes:
        parts = [self._all(b"class", [cls.__qualname__, type(cls), *cls.__bases__])]
        for name, value in vars(cls).items():
            if name not in _OF_NO_ACCOUNT:
                with _at(f"{name} of {cls.__qualname__}"):
                    parts += [_plain(name), self._hash(value)]
        return _join(*parts)

    def _function(self, function: FunctionType) -> bytes:
        code, module = function.__code__, function.__globals__.get("__name__")
        is_own = not is_library(module)
        name = function.__qualname__
        parts = [self._code(code) if is_own else _plain(f"{module}.{code.co_qualname}")]
        with _at(f"a default or attribute of {name}"):
            held = [function.__defaults__, function.__kwdefaults__, vars(function)]
            parts.append(self._all(b"held", held))
        reads = CodeReads.of(code) if self._reads and is_own else CodeReads()
        for variable, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            with _at(f"{variable}, which {name} reads,"):
                parts.append(self._read(_content(cell), reads.names))
        for variable in reads.of_globals:
            with _at(f"{variable}, which {name} reads,"):
                parts.append(self._global(function, variable, reads.names))
        for module, level in reads.modules:
            for found in imported(function, module, level):
                parts.append(self._read(found, reads.names))
        return _join(*parts)

    def _global(self, function: FunctionType, name: str, names: frozenset[str]) -> bytes:
        if name in function.__globals__:
            return self._read(function.__globals__[name], names)
        if name in _DYNAMIC:
            raise UnknownContentError("may read anything")
        return _plain(name)  # of Python itself, or not there yet

    def _read(self, value: Any, names: frozenset[str]) -> bytes:
        if not isinstance(value, ModuleType):
            return self._hash(value)
        if not self._reads or is_library(value.__name__) or id(value) in self._modules:
            return _plain(value.__name__)
        found = sorted(names & vars(value).keys())
        if not found:
            return self._module(value)
        self._modules.add(id(value))
        parts = []
        try:
            for name in found:
                with _at(f"{value.__name__}.{name}"):
                    parts += [_plain(name), self._read(vars(value)[name], names)]
        finally:
            self._modules.remove(id(value))
        return _join(*parts)

    def _code(self, code: CodeType) -> bytes:
        about = [code.co_code, code.co_exceptiontable, code.co_flags, code.co_names]
        about += [code.co_varnames, code.co_freevars, code.co_cellvars]
        about += [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount]
        return self._all(b"code", [*about, code.co_consts])


#: What to do with a value, the first that fits; all else is as pickle takes it apart.
_WAYS: tuple[tuple[Any, Callable[[_Walk, Any], bytes]], ...] = (
    (set | frozenset, _Walk._set),
    (MappingProxyType, lambda walk, value: walk._collection(dict(value))),
    (np.ndarray, _Walk._array),
    (ModuleType, _Walk._module),
    (FunctionType | type, _Walk._definition),
    (CodeType, _Walk._code),
    (property | staticmethod | classmethod, _Walk._accessor),
    (_EMPTY, lambda walk, value: _plain(type(value).__name__)),
)


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Say where it was that nobody can say what a value holds."""
    try:
        yield
    except UnknownContentError as error:
        if not error.has_place:
            error.args, error.has_place = (f"{place} {error}",), True
        raise


def _unknown(value: Any, reads: bool, why: str) -> bytes:
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if reads:
        raise UnknownContentError(f"is or holds a {name} that {why}")
    return _plain(name)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was assigned yet
        return None


def _plain(value: Any) -> bytes:
    return _short(marshal.dumps(value, 2))  # later versions depend on how often a value is shared


def _short(content: bytes) -> bytes:
    return content if len(content) < 32 else _buffer(content)


def _buffer(content: Any) -> bytes:
    return blake2b(content, digest_size=16).digest()


def _join(*parts: bytes) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()

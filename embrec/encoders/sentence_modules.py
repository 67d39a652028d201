"""What a SentenceTransformer is made of: what reads texts, and what its vectors depend on."""

import re
from typing import Any

from torch import nn

from embrec.encoders.contents import hash_content

#: Kinds of first modules that have no limit of tokens, or one that they do not heed.
_READ_WHOLE = {"BoW", "SparseStaticEmbedding", "StaticEmbedding"}
#: What sentence-transformers calls texts that are searched, as items are.
_DOCUMENT = "document"


def reading_module(model: Any) -> Any:
    """Return the module that reads the texts of items: the first, or that of a Router's route.

    Raises
    ------
    ValueError
        If a Router has no route for items.
    """
    first = model[0]
    if not _is_router(first):
        return first
    route = _route(first)
    if route is None:
        raise ValueError(
            f"The model begins with a {type(first).__name__} whose routes are "
            f"{', '.join(first.sub_modules)}; expected one named {_DOCUMENT!r}, for items, or a "
            "default. Set model[0].default_route to one of them and save the model again."
        )
    return first.sub_modules[route][0]


def encode_options(model: Any) -> dict[str, str]:
    """Return what `encode` is to be told, so that a Router takes the route for items."""
    first = model[0]
    if not _is_router(first):
        return {}
    mapped = getattr(first, "route_mappings", None) or {}
    names = {_DOCUMENT} & set(first.sub_modules)
    is_known = names or any((_DOCUMENT, kind) in mapped for kind in ("text", None))
    return {"task": _DOCUMENT} if is_known else {}


def reads_whole(module: Any) -> bool:
    """Tell whether a first module reads all tokens of a text, whatever limit it is given."""
    kinds = {kind.__name__ for kind in type(module).__mro__}
    return bool(kinds & _READ_WHOLE) or not hasattr(module, "max_seq_length")


def depends_on_batch(model: Any) -> bool:
    """Tell whether a text's vector would depend on how long the others of its batch are.

    A CNN reads the padding behind a text as if it were the first word of the vocabulary.
    """
    return any(type(module).__name__ == "CNN" for module in model)


def describe_modules(model: Any) -> str:
    """Return the kinds of all modules and their settings, which no weight shows.

    Those of a transformer are left out: they change with the library, and its weights and tokens
    say what it is.
    """
    parts = [part for part in model.modules() if hasattr(part, "get_config_dict")]
    described = [
        (type(part).__name__, None if hasattr(part, "auto_model") else part.get_config_dict())
        for part in parts
        if part is not model
    ]
    return repr(described)


def describe_tokenizer(tokenizer: Any) -> str:
    """Return how a tokenizer splits words, in a form that is equal in all processes."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None and hasattr(tokenizer, "to_str"):  # of the library tokenizers itself
        backend = tokenizer
    if backend is not None:
        return str(backend.to_str())
    if hasattr(tokenizer, "name_or_path"):  # of transformers, in Python
        shown = re.sub(r"name_or_path=('[^']*'|\"[^\"]*\"),? ?", "", repr(tokenizer))
        return f"{shown} {sorted(tokenizer.get_vocab().items())}"
    if hasattr(tokenizer, "tokenizer"):  # a wrapper around one of transformers
        return describe_tokenizer(tokenizer.tokenizer)
    if hasattr(tokenizer, "word2idx"):  # may be of millions of words, too many to be looked into
        held = {name: value for name, value in vars(tokenizer).items() if name != "vocab"}
        sets = {name: sorted(value) for name, value in held.items() if isinstance(value, set)}
        return f"{type(tokenizer).__name__} {sorted({**held, **sets}.items())}"
    return hash_content(tokenizer, reads=False)


def _is_router(module: Any) -> bool:
    return isinstance(getattr(module, "sub_modules", None), nn.ModuleDict)


def _route(router: Any) -> str | None:
    """Return the route that sentence-transformers takes for texts of items."""
    mapped = getattr(router, "route_mappings", None) or {}
    for key in ((_DOCUMENT, "text"), (_DOCUMENT, None), (None, "text"), (None, None)):
        if key in mapped:
            return str(mapped[key])
    for name in (_DOCUMENT, "text"):
        if name in router.sub_modules:
            return name
    default: str | None = router.default_route
    return default

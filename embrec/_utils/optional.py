"""The one gate for libraries that embrec can do without."""

from importlib import import_module
from types import ModuleType


def import_optional(name: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional library, or say which extra installs it.

    Parameters
    ----------
    name : str
        Module to import, for example ``"pyarrow"``.
    extra : str
        The extra of embrec that brings it, for example ``"parquet"``.
    purpose : str
        What needs it, as the subject of a sentence: ``"load_parquet_pair"``.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If the library is missing; the message holds the command that installs it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs {name.partition('.')[0]}, which could not be imported ({error}). "
            f'Install it with: pip install "embrec[{extra}]"'
        ) from error

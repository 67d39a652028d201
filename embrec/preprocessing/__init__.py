"""Logs made ready: transformers in the manner of scikit-learn, from a log table to a log table.

Each gives back a table of the kind that it was given, with its rows in their order and all of its
columns, and says in ``summary_`` what went.
"""

from embrec.preprocessing._last import KeepLast
from embrec.preprocessing._rare import DropRare
from embrec.preprocessing._repeats import DropRepeats
from embrec.preprocessing._sessions import SessionSplitter

__all__ = ["DropRare", "DropRepeats", "KeepLast", "SessionSplitter"]

"""What all transformers of logs share."""

from abc import abstractmethod
from typing import Any, ClassVar, Self

import pandas as pd
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from embrec._utils.compat import fit_context
from embrec._utils.parameters import Parametrized
from embrec.data.interactions import LogColumns
from embrec.data.tables import Table
from embrec.preprocessing._log import Log, read
from embrec.preprocessing._summary import in_one_line, summarize


class LogTransformer(TransformerMixin, Parametrized):
    """Base class: a log table in, a log table of the same kind out.

    A subclass says in `_clean` what it makes of a log.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "user_col": [str],
        "item_col": [str],
        "timestamp_col": [str, None],
        "verbose": ["verbose"],
    }

    user_col: str
    item_col: str
    timestamp_col: str | None
    verbose: int | bool
    summary_: pd.DataFrame

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Table, y: Any = None) -> Self:
        """Learn from a log what `transform` needs, and what `fit_transform` would leave of it.

        Parameters
        ----------
        X : table
            A log, one row per interaction.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If ``X`` is no table, or ids or times are of a kind that cannot be read.
        ValueError
            If it is empty, a column is missing, ids or times are missing, a parameter is out of
            its range, or nothing would be left.
        """
        self._fit(X)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Table, y: Any = None) -> Table:
        """Learn from a log, and transform it.

        Parameters
        ----------
        X : table
            A log, one row per interaction.
        y : ignored

        Returns
        -------
        table
            Of the same kind.

        Raises
        ------
        TypeError, ValueError
            As in `fit`.
        """
        return self._fit(X).frame.to_native()

    def transform(self, X: Table) -> Table:
        """Transform a log, that of `fit` or another one.

        Parameters
        ----------
        X : table
            A log, one row per interaction.

        Returns
        -------
        table
            Of the same kind.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            As in `fit`.
        """
        check_is_fitted(self, "summary_")
        return self._clean(self._read(X), fitting=False).frame.to_native()

    def _fit(self, X: Table) -> Log:
        before = self._read(X)
        after = self._clean(before, fitting=True)
        self.summary_ = summarize(before.sizes(), after.sizes())
        if self.verbose:
            print(in_one_line(type(self).__name__, self.summary_))  # noqa: T201 - it was asked for
        return after

    def _read(self, X: Table) -> Log:
        columns = LogColumns(self.user_col, self.item_col, self.timestamp_col)
        return read(X, columns, type(self).__name__)

    @abstractmethod
    def _clean(self, log: Log, *, fitting: bool) -> Log:
        """Make of a log what is to come out; what is learned is set last."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags

"""Tables that scikit-learn must not slice beside ``X``."""

from typing import Any

from embrec._utils.deprecation import warn_deprecated
from embrec.data.tables import is_table


class Whole:
    """Holds what is passed to ``fit`` beside ``X`` so that scikit-learn hands it over whole.

    Cross-validation and searches slice every fit parameter that has as many rows as ``X``, with and
    without metadata routing: of a catalogue of 60 items beside a log of 60 events, most would be
    lost, and so would rows of ``X_val``. A Whole has no length, so it is passed as it is. It works
    wherever ``items``, ``X_val`` and ``replay`` do.

    Parameters
    ----------
    table : table, list of sequences or InteractionStore
        What would be passed without it.

    Examples
    --------
    >>> from sklearn.model_selection import cross_validate
    >>> from embrec import Whole
    >>> from embrec.baselines import PopularityRecommender
    >>> from embrec.datasets import make_shop
    >>> from embrec.model_selection import LeaveLastOut
    >>> shop = make_shop(n_users=50, n_items=200, random_state=0)
    >>> results = cross_validate(
    ...     PopularityRecommender(), shop.interactions, cv=LeaveLastOut(),
    ...     params={"items": Whole(shop.items)},
    ... )
    """

    def __init__(self, table: Any) -> None:
        self.table = table


class ItemTable(Whole):
    """The name that `Whole` had when it was for catalogues alone.

    .. deprecated:: 0.2
       Write ``Whole(items)`` instead.
    """

    def __init__(self, table: Any) -> None:
        warn_deprecated("ItemTable", "0.2", "0.4", "embrec.Whole(items)")
        super().__init__(table)


def whole(value: Any, X: Any = None, y: Any = None, *, what: str) -> Any:
    """Return what a Whole holds, or a value that scikit-learn cannot have sliced.

    Both ``X`` and what is sliced beside it keep as many rows as there are indices, so whatever was
    sliced has as many rows as ``X``, though not the other way round.

    Parameters
    ----------
    value : object
        A fit parameter.
    X : object, optional
        What came with it; None if there is nothing that it could have been sliced beside.
    y : object, optional
        What is ignored; a table there was meant to be this one.
    what : str
        Its name in error messages.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If it has as many rows as ``X``.
    TypeError
        If ``y`` is a table.
    """
    if is_table(y) or isinstance(y, Whole):
        raise TypeError(
            f"y is a table ({type(y).__name__}), and y is ignored. If it is the catalogue, pass it "
            f"by name: {what}={what}."
        )
    if isinstance(value, Whole):
        return value.table
    n_rows = _n_rows(value)
    if n_rows is not None and n_rows == _n_rows(X):
        raise ValueError(
            f"{what} has exactly as many rows as X, {n_rows}. scikit-learn's cross-validation and "
            "searches slice every fit parameter of that many rows, so that some may be lost. Pass "
            f"{what}=embrec.Whole({what}), there or to fit, which is taken as it is."
        )
    return value


def _n_rows(data: Any) -> int | None:
    """Count the rows of what can be sliced, which a store cannot."""
    return len(data) if hasattr(data, "__len__") and hasattr(data, "__getitem__") else None

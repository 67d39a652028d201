"""What the loaders return."""

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Dataset:
    """A log and a catalogue.

    Parameters
    ----------
    interactions : DataFrame
        One row per interaction: user, item, timestamp, and whatever else there is.
    items : DataFrame
        One row per item: item, and its content.
    n_malformed : dict of str to int
        Lines that could not be read, by file, where files are read line by line.
    """

    interactions: pd.DataFrame
    items: pd.DataFrame
    n_malformed: dict[str, int] = field(default_factory=dict)

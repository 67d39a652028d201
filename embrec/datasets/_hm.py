"""H&M Personalized Fashion Recommendations: what customers bought, day by day."""

from pathlib import Path

import pandas as pd

from embrec.datasets._dataset import Dataset
from embrec.datasets._records import Malformed
from embrec.datasets._releases import find_file
from embrec.datasets._tables import keep_valid, make_dataset, read_table, unix_time

LOADER = "load_hm"
TRANSACTIONS = ["t_dat", "customer_id", "article_id", "price", "sales_channel_id"]
ARTICLES = ["article_id", "product_code", "prod_name", "product_type_name", "detail_desc"]
#: Digits of an article_id, zeros in front among them.
N_DIGITS = 10


def load_hm(folder: str | Path) -> Dataset:
    """Load the H&M data set from its unpacked folder.

    Reads ``transactions_train.csv`` and ``articles.csv``. All codes stay text: an ``article_id``
    begins with zeros that are part of it.

    Parameters
    ----------
    folder : str or Path
        Folder that holds both files.

    Returns
    -------
    Dataset
        - ``interactions``: DataFrame with columns user, item (str), timestamp (int64, seconds since
          1970, midnight UTC of the day), price (float64, scaled as published) and sales_channel_id
          (str), one row per article bought, in the order of the file. Purchases of one day have no
          known order; an article bought twice is two rows.
        - ``items``: DataFrame with column item and all other columns of ``articles.csv`` (str).
        - ``n_malformed``: dict of file name to the number of rows without an id, day or price; a
          warning names the first of them.

    Raises
    ------
    FileNotFoundError
        If a file is missing; says which function reads what is there.
    ValueError
        If columns are missing, or if the zeros in front of the ids are gone.

    References
    ----------
    "H&M Personalized Fashion Recommendations" (2022),
    kaggle.com/competitions/h-and-m-personalized-fashion-recommendations.
    """
    transactions = find_file(folder, ["transactions_train.csv"], LOADER)
    articles = find_file(folder, ["articles.csv"], LOADER)
    bad_log, bad_items = Malformed(transactions), Malformed(articles)
    names = {"customer_id": "user", "article_id": "item"}
    log = read_table(transactions, TRANSACTIONS, loader=LOADER).rename(columns=names)
    items = read_table(articles, ARTICLES, loader=LOADER).rename(columns=names)
    log["timestamp"] = unix_time(log["t_dat"], "%Y-%m-%d", "s")
    log = keep_valid(
        log, bad_log, ids=["user", "item", "timestamp"], whole=["timestamp"], real=["price"]
    )
    items = keep_valid(items, bad_items, ids=["item"])
    for path, table in ((transactions, log), (articles, items)):
        _check_digits(path, table["item"])
    kept = ["user", "item", "timestamp", "price", "sales_channel_id"]
    return make_dataset(log[kept], items, [bad_log, bad_items])


def _check_digits(path: Path, ids: pd.Series) -> None:
    wrong = ids[ids.str.len() != N_DIGITS]
    if len(wrong):
        raise ValueError(
            f"{path}: {len(wrong)} of {len(ids)} rows have an article_id of other than {N_DIGITS} "
            f"digits, such as {wrong.iloc[0]!r}. A program that read ids as numbers and saved them "
            "took the zeros in front away; fetch the file again, as published."
        )

"""MovieLens, in the three layouts in which it was published."""

from pathlib import Path

import numpy as np
import pandas as pd

from embrec.datasets._dataset import Dataset
from embrec.datasets._records import Malformed, open_text
from embrec.datasets._releases import find_file
from embrec.datasets._tables import keep_valid, make_dataset, read_table

LOADER = "load_movielens"
RATINGS = ["user", "item", "rating", "timestamp"]
MOVIES = ["item", "title", "genres"]
# the order of u.item
GENRES = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
]
U_ITEM = ["item", "title", "release_date", "video_release_date", "imdb_url", *GENRES]
CSV_NAMES = {"userId": "user", "movieId": "item"}


def load_movielens(folder: str | Path) -> Dataset:
    """Load a MovieLens data set from its unpacked folder.

    Reads ``u.data`` and ``u.item`` (100K: tabs and ``|``, latin-1), or ``ratings.dat`` and
    ``movies.dat`` (1M and 10M: ``::``; 1M is latin-1, 10M is UTF-8, told by the content), or
    ``ratings.csv`` and ``movies.csv`` (20M, 25M, 32M and the "latest" sets: CSV, UTF-8).

    Parameters
    ----------
    folder : str or Path
        Folder that holds the files.

    Returns
    -------
    Dataset
        - ``interactions``: DataFrame with columns user, item (str), rating (float64) and timestamp
          (int64, seconds since 1970), one row per rating, in the order of the file.
        - ``items``: DataFrame with columns item, title, genres (str, "Comedy|Drama"; missing where
          the file says "(no genres listed)"); of 100K also release_date, video_release_date and
          imdb_url, as they stand. A movie without metadata is a row without content.
        - ``n_malformed``: dict of file name to the number of rows without an id or with a rating or
          time that is no number; a warning names the first of them.

    Raises
    ------
    FileNotFoundError
        If the files are missing; says which function reads what is there.
    ValueError
        If a file has another layout or can't be read.

    Notes
    -----
    Who the users are (``u.user``, ``users.dat``), tags and links are not read.

    References
    ----------
    F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4),
    2015. The layouts are those of the README of ml-100k (1998), ml-1m (2003), ml-10m (2009),
    ml-25m (2019) and ml-32m (2023), https://files.grouplens.org/datasets/movielens/.
    """
    ratings = find_file(folder, ["u.data", "ratings.dat", "ratings.csv"], LOADER)
    layout = ratings.name.removesuffix(".gz")
    movies = find_file(
        folder,
        [{"u.data": "u.item", "ratings.dat": "movies.dat", "ratings.csv": "movies.csv"}[layout]],
        LOADER,
    )
    read = {"u.data": _read_100k, "ratings.dat": _read_dat, "ratings.csv": _read_csv}[layout]
    log, items = read(ratings, movies)
    first_line = 2 if layout == "ratings.csv" else 1
    bad_ratings, bad_movies = Malformed(ratings), Malformed(movies)
    log = keep_valid(
        log[RATINGS], bad_ratings, whole=["timestamp"], real=["rating"], first_line=first_line
    )
    items = keep_valid(items, bad_movies, ids=["item"], first_line=first_line)
    items["genres"] = items["genres"].replace("(no genres listed)", "")
    return make_dataset(log, items, [bad_ratings, bad_movies])


def _read_100k(ratings: Path, movies: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    log = read_table(ratings, RATINGS, loader=LOADER, sep="\t", header=False, quoted=False)
    items = read_table(
        movies, U_ITEM, loader=LOADER, sep="|", header=False, quoted=False, encoding="latin-1"
    )
    genres = np.full(len(items), "", dtype=object)
    for genre in GENRES:
        is_one = (items[genre] == "1").to_numpy(dtype=bool)
        between = np.where(genres == "", "", "|").astype(object)
        genres = np.where(is_one, genres + between + genre, genres)
    items["genres"] = genres
    kept = ["item", "title", "genres", "release_date", "video_release_date", "imdb_url"]
    return log, items[kept]


def _read_dat(ratings: Path, movies: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    # ":" lets the fast parser read what has no colon inside; there is nothing between the two
    between = ["_0", "_1", "_2"]
    columns = ["user", "_0", "item", "_1", "rating", "_2", "timestamp"]
    log = read_table(ratings, columns, loader=LOADER, sep=":", header=False, quoted=False)
    log.loc[(log[between] != "").any(axis=1), "user"] = ""
    items = read_table(
        movies,
        MOVIES,
        loader=LOADER,
        sep="::",
        header=False,
        quoted=False,
        encoding=_encoding(movies),
    )
    return log, items


def _encoding(path: Path) -> str:
    # an accented letter of latin-1 before an ASCII one is no UTF-8
    try:
        with open_text(path, errors="strict") as file:
            file.read()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _read_csv(ratings: Path, movies: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    log = read_table(ratings, ["userId", "movieId", "rating", "timestamp"], loader=LOADER)
    items = read_table(movies, ["movieId", "title", "genres"], loader=LOADER)
    return log.rename(columns=CSV_NAMES), items.rename(columns=CSV_NAMES)

"""Which function reads a data set, told by its files or fields; so that an error can name it."""

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from embrec.datasets._records import open_text, parse_dict


@dataclass(frozen=True)
class _Release:
    loader: str
    #: Patterns of files, all of which only this data set has.
    files: tuple[str, ...]
    #: Fields that only this data set has together.
    fields: tuple[frozenset[str], ...]


def _release(loader: str, files: str, *fields: str) -> _Release:
    return _Release(loader, tuple(files.split()), tuple(frozenset(f.split()) for f in fields))


RELEASES = (
    _release("load_movielens", "u.data ratings.dat movies.dat movies.csv", "userId movieId"),
    _release("load_retailrocket", "events.csv category_tree.csv", "visitorid itemid"),
    _release("load_mind", "behaviors.tsv news.tsv"),
    _release("load_hm", "transactions_train.csv articles.csv", "article_id t_dat"),
    _release("load_recbole", "*.inter", "user_id:token item_id:token"),
    _release(
        "load_amazon2014",
        "reviews_*.json* ratings_*.csv*",
        "reviewerID asin helpful",
        "asin imUrl",
        "asin categories",
    ),
    _release(
        "load_amazon2018",
        "*_5.json.gz",
        "reviewerID asin verified",
        "asin category main_cat",
        "asin also_buy",
        "asin imageURL",
    ),
    _release("load_amazon2023", "meta_*.jsonl*", "user_id parent_asin", "parent_asin store"),
    _release("load_otto", "train.jsonl otto-recsys-*.jsonl", "session events"),
    _release("load_yoochoose", "yoochoose-*.dat"),
    _release("load_diginetica", "train-item-views.csv", "sessionId itemId eventdate"),
    _release("load_parquet_pair", "interactions.parquet"),
)


def find_file(folder: str | Path, names: Collection[str], loader: str) -> Path:
    """Find the first of some files, plain or with ``.gz``.

    Parameters
    ----------
    folder : str or Path
    names : collection of str
        The first that is there is taken.
    loader : str
        Name of the function that asks.

    Returns
    -------
    Path

    Raises
    ------
    FileNotFoundError
        If none is there; says what is, and which other function reads it.
    """
    folder = Path(folder)
    candidates = [folder / f"{name}{suffix}" for name in names for suffix in (".gz", "")]
    found = next((path for path in candidates if path.is_file()), None)
    if found is not None:
        return found
    present = sorted(p.name for p in folder.glob("*")) if folder.is_dir() else "no such folder"
    raise FileNotFoundError(
        f"Expected {' or '.join(names)} (or the same with .gz) in {folder}; found {present}."
        + hint([r.loader for r in RELEASES if _matches(folder, r)], loader)
    )


def check_fields(path: Path, found: Collection[str], needed: Collection[str], loader: str) -> None:
    """Check the fields of a file.

    Parameters
    ----------
    path : Path
    found, needed : collection of str
        Fields that the file has, and those it must have.
    loader : str
        Name of the function that asks.

    Raises
    ------
    ValueError
        If one is missing; says what was found, and which other function reads such a file.
    """
    missing = [field for field in needed if field not in found]
    if missing:
        raise ValueError(
            f"{path} lacks the fields {missing}; it has {list(found)}. {loader} expects "
            f"{list(needed)}." + hint(loaders_of(found), loader)
        )


def check_record(
    path: Path, needed: Collection[str], loader: str, others: Collection[str] = ()
) -> None:
    """Check the fields of the first record of a file of JSON lines, if there is one.

    Parameters
    ----------
    path : Path
    needed : collection of str
        Fields of which it must have at least one; lines that lack others are malformed.
    loader : str
        Name of the function that asks.
    others : collection of str, default=()
        Fields that only another release has.

    Raises
    ------
    ValueError
        As in `check_fields`.
    """
    try:
        with open_text(path) as lines:
            first = parse_dict(next(lines, ""))
    except (EOFError, OSError, zlib.error):
        return  # who reads the file says how it is damaged
    if first is not None and not first.keys() & set(needed):
        check_fields(path, first, needed, loader)
    foreign = [] if first is None else [field for field in others if field in first]
    if first is not None and foreign:
        raise ValueError(
            f"{path} has the fields {list(first)}; {foreign} are of another release than {loader} "
            f"reads.{hint(loaders_of(first), loader)}"
        )


def loaders_of(found: Collection[str]) -> list[str]:
    """Name the functions that read files of such fields."""
    return [r.loader for r in RELEASES if any(fields <= set(found) for fields in r.fields)]


def _matches(folder: Path, release: _Release) -> bool:
    return any(next(folder.glob(pattern), None) is not None for pattern in release.files)


def hint(loaders: Collection[str], own: str) -> str:
    """Say which other functions read such files; nothing if there is none."""
    others = [loader for loader in loaders if loader != own]
    return f" {' or '.join(others)} reads such files." if others else ""

"""What is about to go says so before it does."""

from embrec._utils.warn import warn


def warn_deprecated(what: str, since: str, removed_in: str, instead: str) -> None:
    """Warn whoever called embrec that what they wrote will stop working.

    Parameters
    ----------
    what : str
        What they wrote, as the subject of a sentence: ``"loss="bpr" of EmbRecEstimator"``.
    since : str
        The version that deprecated it, for example ``"0.3"``.
    removed_in : str
        The version that will no longer know it, for example ``"0.5"``.
    instead : str
        What to write instead, as it is written: ``"loss=BPR()"``.
    """
    warn(
        f"{what} is deprecated since embrec {since} and will be removed in {removed_in}. "
        f"Write {instead} instead.",
        FutureWarning,
    )

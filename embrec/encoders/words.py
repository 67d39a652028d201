r"""What a word is: a letter, digit or underscore, and all of these and of marks that follow.

Marks are what Unicode puts on letters: vowel signs of Hindi, Tamil and Thai, vowels of Arabic and
Hebrew, accents apart from their letter. Python's ``\w`` leaves them out, and cuts words there.
"""

import re
from functools import cache
from itertools import groupby
from unicodedata import category, normalize

#: Where Unicode has marks.
MARKS_WITHIN = (range(0x300, 0x20000), range(0xE0000, 0xE1000))


def split_words(text: str) -> list[str]:
    """Split a text into words."""
    found: list[str] = _pattern(r"\w[{w}]*", text.isascii()).findall(text)
    return found


def split_long_words(text: str) -> list[str]:
    """Split a text into words, without those of one character, as scikit-learn does."""
    found: list[str] = _pattern(r"\w[{w}]+", text.isascii()).findall(text)
    return found


def split_tokens(text: str) -> list[str]:
    """Split a text into words and signs of punctuation, as the text that ELMo was trained on.

    Apostrophes of both kinds belong to the word that they are in; any other character is a token
    of its own.
    """
    pattern = _pattern("\\w[{w}]*(?:['\u2019]\\w[{w}]*)*|[^\\w\\s]", text.isascii())
    found: list[str] = pattern.findall(text)
    return found


def compose(text: str) -> str:
    """Put letters and their accents together (NFC), so that equal texts are equal."""
    return text if text.isascii() else normalize("NFC", text)


@cache
def _pattern(pattern: str, is_ascii: bool) -> re.Pattern[str]:
    """Compile a pattern, putting what words are made of for ``w``; looking for marks takes time."""
    return re.compile(pattern.format(w=r"\w" if is_ascii else rf"\w{_marks()}"))


@cache
def _marks() -> str:
    codes = [code for codes in MARKS_WITHIN for code in codes if category(chr(code))[0] == "M"]
    # codes in a row are all as far ahead of their places
    runs = [list(run) for _, run in groupby(enumerate(codes), lambda place: place[1] - place[0])]
    return "".join(f"{chr(run[0][1])}-{chr(run[-1][1])}" for run in runs)

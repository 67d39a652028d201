"""What words are, in scripts of all kinds."""

import re
import sys
from itertools import groupby
from unicodedata import category, normalize

import numpy as np
import pytest

from embrec.encoders import words
from embrec.encoders.words import compose, split_long_words, split_tokens, split_words

WORDS = {
    "Hindi": "नीला फ़ोन",
    "Tamil": "தமிழ் புத்தகம்",
    "Bengali": "নতুন বই",
    "Thai": "ผู้หญิง น้ำ",
    "vowelled Arabic": "كِتَابٌ جَدِيدٌ",
    "pointed Hebrew": "סֵפֶר חָדָשׁ",
    "Latin in parts": normalize("NFD", "café crème"),
    "beyond the first plane": "\U00011013\U00011038 \U0001e922\U0001e944",
}  # Brahmi with a vowel sign, Adlam with a lengthener


@pytest.mark.parametrize("text", WORDS.values(), ids=WORDS)
def test_marks_belong_to_words(text):
    expected = text.split()
    for split in (split_words, split_long_words, split_tokens):
        found = split(f"({expected[0]}, {expected[1]})!")
        assert [word for word in found if word not in "(,)!"] == expected


def by_category(text):
    """Split by the names of categories, one character after the other."""
    found, word = [], ""
    for character in f"{text} ":
        kind = category(character)[0]
        if kind in "LN" or character == "_" or (kind == "M" and word):
            word += character
        else:
            found += [word] if word else []
            word = ""
    return found


def texts():
    """Letters, digits, marks and all else, at random."""
    rng = np.random.default_rng(0)
    some = [chr(code) for code in (*range(0x20, 0xD800, 7), *range(0xE000, 0x20000, 23))]
    groups = {kind: list(part) for kind, part in groupby(sorted(some, key=category), category)}
    for _ in range(300):
        kinds = rng.choice([*groups], size=30)
        yield "".join(rng.choice(groups[kind]) for kind in kinds) + "_ 7\u0301 \ufe0f"


def test_words_by_category():
    for text in texts():
        expected = by_category(text)
        assert split_words(text) == expected
        assert split_long_words(text) == [word for word in expected if len(word) > 1]


def test_all_marks_are_known():
    """Those of this Python's Unicode, to the last."""
    every = {chr(code) for code in range(sys.maxunicode + 1) if category(chr(code))[0] == "M"}
    assert set(re.findall(f"[{words._marks()}]", "".join(map(chr, range(0x300, 0xE2000))))) == every


@pytest.mark.parametrize(
    "text",
    ["It's 1st_class, x y2 \xb2nd! a", "naïve Straße, мир 你好 и я", "\u2764\ufe0f I kg", ""],
)
def test_without_marks_words_are_those_of_scikit_learn(text):
    assert split_long_words(text) == re.findall(r"(?u)\b\w\w+\b", text)


def test_marks_on_no_letter_are_no_words():
    assert split_words("❤\ufe0f \u0301a\u0301") == ["a\u0301"]


def test_tokens():
    for sign in ("'", "\u2019"):
        expected = [f"l{sign}\xe9t\xe9{sign}s", ",", f"isn{sign}t", "(", "नीला", ")", sign]
        assert split_tokens(f"{expected[0]}, {expected[2]} (नीला) {sign}") == expected
    assert split_tokens("\u2764\ufe0f") == ["\u2764", "\ufe0f"]  # as before


def test_letters_and_accents_are_put_together():
    apart = normalize("NFD", "Crème brûlée, Việt")
    assert apart != compose(apart) == "Crème brûlée, Việt" == compose("Crème brûlée, Việt")
    # Unicode takes some apart
    assert compose("\u095e") == compose("\u092b\u093c") == "\u092b\u093c"

"""Words as ELMo spells them."""

import numpy as np

from embrec.encoders.elmo_characters import character_ids, sentence_marks


def test_spelling():
    pad = [260] * 50
    expected = [
        [258, 112, 101, 110, 259, *pad][:50],
        [258, 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 259, *pad][:50],
        [258, *[120] * 48, 259],
        # two bytes each, cut in the middle of one
        [258, 97, *[0xC3, 0xA9] * 23, 0xC3, 259],
        [258, 259, *pad][:50],
        [258, *[120] * 48, 259],
    ]
    words = ["pen", "é€", "x" * 60, "a" + "é" * 30, "", "x" * 48]
    np.testing.assert_array_equal(character_ids(words), expected)
    marks = [[258, 256, 259, *pad][:50], [258, 257, 259, *pad][:50]]
    np.testing.assert_array_equal(sentence_marks(), marks)
    np.testing.assert_array_equal(character_ids(["pen"], 4), [[258, 112, 101, 259]])
    assert character_ids([]).shape == (0, 50)


def test_lone_surrogates_are_left_out():
    np.testing.assert_array_equal(character_ids(["a\ud800b", "\udfff"]), character_ids(["ab", ""]))


def test_shorter_words():
    expected = [[258, 256, 259, 260], [258, 257, 259, 260]]
    np.testing.assert_array_equal(sentence_marks(4), expected)
    assert character_ids(["ab", "abc", ""], 4).tolist() == (
        [[258, 97, 98, 259], [258, 97, 98, 259], [258, 259, 260, 260]]
    )
    assert sentence_marks(3).tolist() == [[258, 256, 259], [258, 257, 259]]

"""Text without HTML."""

import html

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embrec.featurizers._markup import strip_markup


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text,  as it is\n", "plain text,  as it is\n"),
        ("Th<b>e</b> pen<br>red<p>x</p>", "The pen red x"),
        ("<ul><li>one</li><li>two</li></ul>", "one two"),
        ("AT&T &amp;amp; R&amp;D", "AT&T & R&D"),
        ("5 &lt; 6 &quot;x&quot; caf&eacute; &#8364;", '5 < 6 "x" café €'),
        ("a < b and c > d", "a < b and c > d"),
        ("I <3 you", "I <3 you"),
        ("a &lt;b&gt;bold&lt;/b&gt; word", "a bold word"),
        ("<script>var x = '<b>';</script><style>p {}</style>ok", "ok"),
        ("<!-- hidden -->seen", "seen"),
        ("R&D &foo <b>x</b> &c;", "R&D &foo x &c;"),
        ("x <", "x <"),
        ("", ""),
    ],
)
def test_what_a_reader_would_see(text, expected):
    assert strip_markup([text]) == [expected]


@settings(max_examples=40)
@given(st.text(st.characters(exclude_characters="<&")))
def test_text_without_markup_is_unchanged(text):
    assert strip_markup([text]) == [text]


@given(st.text(alphabet="abc <>&;/!-b\"'=#x"))
def test_nothing_raises(text):
    [stripped] = strip_markup([text])
    assert isinstance(stripped, str)


@given(st.lists(st.text(alphabet="abcdefg", min_size=1), min_size=1))
def test_escaped_words_come_back(words):
    text = "<p>" + " ".join(html.escape(f"{word}&") for word in words) + "</p>"
    assert strip_markup([text]) == [" ".join(f"{word}&" for word in words)]

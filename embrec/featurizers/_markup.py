"""Text without HTML."""

import html
from collections.abc import Iterable
from html.parser import HTMLParser

#: Tags within a word or a line; all others separate words.
# fmt: off
_INLINE = frozenset((
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em",
    "font", "i", "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong",
    "sub", "sup", "time", "tt", "u", "var", "wbr",
))
# fmt: on
#: What is between these is no text.
_HIDDEN = frozenset(("script", "style", "template"))


def strip_markup(texts: Iterable[str]) -> list[str]:
    """Remove tags, comments, scripts and styles, and resolve entities.

    Parameters
    ----------
    texts : iterable of str

    Returns
    -------
    list of str
        A text without ``<`` and ``&`` is as it was.
    """
    return [_strip(text) if "<" in text or "&" in text else text for text in texts]


def _strip(text: str) -> str:
    if "&" in text:
        # twice: shops export what they had escaped before
        text = html.unescape(html.unescape(text))
    if "<" not in text:
        return text
    parser = _TextParser()
    parser.feed(text)
    parser.close()
    return " ".join("".join(parser.parts).split())


class _TextParser(HTMLParser):
    """Collects what a reader of a page would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        self._separate(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self._separate(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        self._separate(tag)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)

    def _separate(self, tag: str) -> None:
        if tag not in _INLINE:
            self.parts.append(" ")

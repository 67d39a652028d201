"""Readers that see one moment of an object."""

import inspect

from embrec._utils.moments import as_of_now, of_one_moment, replace_attributes


class Pair:
    def __init__(self):
        self.a = self.b = "old"

    @of_one_moment
    def read(self, between, *, twice=1):
        """Read both."""
        a = self.a
        between()
        return (a + self.b) * twice


def test_a_method_sees_all_as_it_was_when_it_was_called():
    pair = Pair()
    assert pair.read(lambda: replace_attributes(pair, a="new", b="new"), twice=2) == "oldold" * 2
    assert pair.read(lambda: None) == "newnew"


def test_a_stand_in_is_of_the_same_kind_and_shares_what_is_set():
    pair = Pair()
    held = as_of_now(pair)
    assert type(held) is Pair
    held.cache = 1
    assert pair.cache == 1
    replace_attributes(pair, a="new")
    assert (held.a, pair.a, pair.b, pair.cache) == ("old", "new", "old", 1)


def test_methods_keep_their_names_and_signatures():
    assert Pair.read.__doc__ == "Read both."
    assert list(inspect.signature(Pair.read).parameters) == ["self", "between", "twice"]

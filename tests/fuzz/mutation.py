"""Damaged and hostile variants of sound input, the same ones for the same random numbers."""

import copy
import re

#: Numbers that a file may declare: none, off by one, signs, the ends of types, far too many.
NUMBERS = [0, 1, -1, 2, 3, 127, 128, 255, 256, 2**15, 2**16, 2**31 - 1, -(2**31), 2**32 - 1]
NUMBERS += [2**40, 2**53, 2**62, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 10**19, 10**30]
#: Values where JSON expects others.
VALUES = [None, True, False, 0.5, -0.0, 1e308, float("inf"), float("nan"), 10**400, "", "x", "\0"]
VALUES += ["\ud800", "é", "9" * 50, [], {}, [[]], [None], {"": None}, [1, "a"], *NUMBERS]


def mutate(rng, data):
    """Change bytes in one to four ways."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        rng.choice(CHANGES)(rng, data)
    return bytes(data)


def _place(rng, data):
    # the beginning of most formats says how the rest is to be read
    end = len(data) if rng.random() < 0.6 else min(len(data), 100)
    return rng.randrange(end + 1)


def _slice(rng, data):
    begin = _place(rng, data)
    return slice(begin, begin + rng.choice((1, 2, 4, 8, rng.randrange(1 + len(data)))))


def _flip(rng, data):
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(rng, data):
    if data:
        data[min(_place(rng, data), len(data) - 1)] = rng.choice((0, 1, 10, 32, 127, 128, 254, 255))


def _cut(rng, data):
    del data[_place(rng, data) :]


def _remove(rng, data):
    del data[_slice(rng, data)]


def _insert(rng, data):
    at = _place(rng, data)
    data[at:at] = rng.randbytes(rng.choice((1, 2, 8, 40)))


def _repeat(rng, data):
    part = data[_slice(rng, data)]
    at = _place(rng, data)
    data[at:at] = part * rng.choice((1, 1, 3))


def _overwrite(rng, data):
    part = data[_slice(rng, data)]
    at = _place(rng, data)
    data[at : at + len(part)] = part


def _number(rng, data):
    width = rng.choice((1, 2, 4, 8))
    number = rng.choice(NUMBERS) % 2 ** (8 * width)
    at = _place(rng, data)
    data[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))


def _digits(rng, data):
    """Put another number where one is written in digits."""
    found = list(re.finditer(rb"-?\d+", data))
    if not found:
        return _number(rng, data)
    digits = found[rng.randrange(len(found))] if rng.random() < 0.5 else found[0]
    new = rng.choice(
        [
            *map(str, NUMBERS),
            "nan",
            "inf",
            "1e999",
            "9" * 30,
            "\N{ARABIC-INDIC DIGIT ONE}",
            "0x10",
            "1_0",
        ]
    )
    data[digits.start() : digits.end()] = new.encode()
    return None


CHANGES = [_flip, _set, _cut, _remove, _insert, _repeat, _overwrite, _number, _number, _digits]


def mutate_json(rng, tree):
    """Change a tree of dicts and lists in one or two places."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 2))):
        tree = _changed(rng, tree)
    return tree


def _changed(rng, tree):
    if not isinstance(tree, dict | list) or not tree or rng.random() < 0.1:
        return copy.deepcopy(rng.choice(VALUES))
    key = rng.choice(list(tree)) if isinstance(tree, dict) else rng.randrange(len(tree))
    kind = rng.random()
    if kind < 0.15:
        del tree[key]
    elif kind < 0.25 and isinstance(tree, dict):
        tree[rng.choice(("", "x", "a" * 300, key + " "))] = tree[key]
    elif kind < 0.25:
        tree.append(copy.deepcopy(tree[key]))
    else:
        tree[key] = _changed(rng, tree[key])
    return tree

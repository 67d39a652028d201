"""Words of the generated shop: what its items are called, and how they are described."""

import numpy as np

#: Categories in the order in which shoppers pass through them, with words for their products.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "Cameras": ("camera", "camcorder", "viewfinder"),
    "Lenses": ("lens", "zoom", "macro"),
    "Memory Cards": ("card", "memory", "reader"),
    "Camera Bags": ("bag", "sling", "case"),
    "Tripods": ("tripod", "monopod", "mount"),
    "Tents": ("tent", "tarp", "shelter"),
    "Sleeping Bags": ("quilt", "mat", "pillow"),
    "Cook Sets": ("stove", "pot", "kettle"),
    "Lamps": ("lantern", "headlamp", "torch"),
    "Notebooks": ("notebook", "planner", "journal"),
    "Pens": ("pen", "nib", "pencil"),
    "Inks": ("ink", "refill", "blotter"),
}

DEPARTMENTS = {"Cameras": "Photo", "Tents": "Outdoor", "Notebooks": "Desk"}

#: Styles: what a visitor has a taste for. The key is for titles; words for descriptions, a colour.
STYLES: dict[str, tuple[tuple[str, ...], tuple[int, int, int]]] = {
    "classic": (("leather", "brass", "timeless", "heritage"), (120, 72, 40)),
    "rugged": (("shockproof", "weatherproof", "armoured", "expedition"), (70, 90, 60)),
    "minimal": (("clean", "seamless", "understated", "matte"), (200, 200, 205)),
    "playful": (("cheerful", "bright", "stickers", "rounded"), (240, 140, 60)),
    "studio": (("professional", "calibrated", "precision", "rackmount"), (40, 44, 60)),
    "eco": (("recycled", "bamboo", "organic", "refillable"), (90, 160, 90)),
    "retro": (("vintage", "analogue", "seventies", "chrome"), (190, 100, 110)),
    "travel": (("foldable", "featherweight", "pocketable", "carry-on"), (80, 140, 200)),
}

#: What the styles' colours are called, in their order.
COLOURS = ("brown", "olive", "silver", "orange", "slate", "green", "rose", "blue")

BRANDS = tuple(
    f"{first}{second}"
    for first in ("Nor", "Vel", "Kap", "Ost", "Lum", "Tri")
    for second in ("dal", "mark", "vik", "ora")
)

NOISE = tuple(
    word
    for line in (
        "new model this season with free delivery and returns our customers like it",
        "gift ready box available now quality tested design made for everyday use",
        "order today two year warranty",
    )
    for word in line.split()
)


def describe(
    category: np.ndarray, style: np.ndarray, brand: np.ndarray, rng: np.random.RandomState
) -> dict[str, list[str]]:
    """Write titles, descriptions and the other words of items.

    Parameters
    ----------
    category, style, brand : ndarray of shape (n_items,), int
        Numbers into CATEGORIES, STYLES and BRANDS.
    rng : RandomState

    Returns
    -------
    dict of str to list of str
        Columns title, description, category and brand.
    """
    names, styles = list(CATEGORIES), list(STYLES)
    departments = _departments(names)
    columns: dict[str, list[str]] = {"title": [], "description": [], "category": [], "brand": []}
    for c, s, b in zip(category.tolist(), style.tolist(), brand.tolist(), strict=True):
        nouns, adjectives = CATEGORIES[names[c]], STYLES[styles[s]][0]
        noun = nouns[rng.randint(len(nouns))]
        model = f"{chr(65 + rng.randint(26))}{rng.randint(10, 1000)}"
        words = [*rng.choice(adjectives, 3), *nouns, *rng.choice(NOISE, 12)]
        columns["title"].append(f"{BRANDS[b]} {styles[s]} {noun} {model}")
        columns["description"].append(" ".join(rng.permutation(words)).capitalize() + ".")
        columns["category"].append(f"{departments[c]} > {names[c]}")
        columns["brand"].append(BRANDS[b])
    return columns


def _departments(names: list[str]) -> list[str]:
    current, result = "", []
    for name in names:
        current = DEPARTMENTS.get(name, current)
        result.append(current)
    return result

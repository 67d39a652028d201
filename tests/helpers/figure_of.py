"""Looking into what was evaluated."""


def value(evaluated, metric, of="all"):
    table = evaluated.table
    row = table[(table["metric"] == metric) & (table["slice"] == of)]
    assert len(row) == 1
    return float(row["value"].iloc[0])

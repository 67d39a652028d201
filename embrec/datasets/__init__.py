"""Loaders of data sets, and the generated shop."""

from embrec.datasets._amazon import load_amazon2014
from embrec.datasets._dataset import Dataset
from embrec.datasets._parquet import load_parquet_pair
from embrec.datasets._shop import Shop
from embrec.datasets._shop_maker import make_shop
from embrec.datasets._thesis import thesis_filter

__all__ = ["Dataset", "Shop", "load_amazon2014", "load_parquet_pair", "make_shop", "thesis_filter"]

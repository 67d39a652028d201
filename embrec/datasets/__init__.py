"""Loaders of data sets, and the generated shop."""

from embrec.datasets._amazon import load_amazon2014
from embrec.datasets._amazon2018 import load_amazon2018
from embrec.datasets._amazon2023 import load_amazon2023
from embrec.datasets._dataset import Dataset
from embrec.datasets._diginetica import load_diginetica
from embrec.datasets._hm import load_hm
from embrec.datasets._mind import load_mind
from embrec.datasets._movielens import load_movielens
from embrec.datasets._otto import load_otto
from embrec.datasets._parquet import load_parquet_pair
from embrec.datasets._recbole import load_recbole
from embrec.datasets._retailrocket import load_retailrocket
from embrec.datasets._shop import Shop
from embrec.datasets._shop_maker import make_shop
from embrec.datasets._thesis import thesis_filter
from embrec.datasets._yoochoose import load_yoochoose

__all__ = [
    "Dataset",
    "Shop",
    "load_amazon2014",
    "load_amazon2018",
    "load_amazon2023",
    "load_diginetica",
    "load_hm",
    "load_mind",
    "load_movielens",
    "load_otto",
    "load_parquet_pair",
    "load_recbole",
    "load_retailrocket",
    "load_yoochoose",
    "make_shop",
    "thesis_filter",
]

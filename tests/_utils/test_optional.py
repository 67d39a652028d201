"""Libraries that may be missing."""

import json
import os.path
import sys

import pytest

from embrec._utils.optional import import_optional


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = r'^load_it needs pyarrow, which could .* pip install "embrec\[parquet\]"$'
    with pytest.raises(ImportError, match=message):
        import_optional("pyarrow", extra="parquet", purpose="load_it")


def test_a_library_that_is_there_is_returned():
    assert import_optional("json", extra="none", purpose="this test") is json


def test_a_module_inside_a_library_is_the_one_returned():
    assert import_optional("os.path", extra="none", purpose="this test") is os.path


def test_the_library_is_named_even_if_only_a_module_of_it_is_missing():
    """Whoever installs it asks for the library; the first error stays to be seen."""
    with pytest.raises(ImportError, match=r"^x needs json, .*No module named 'json.nothing'") as e:
        import_optional("json.nothing", extra="image", purpose="x")
    assert isinstance(e.value.__cause__, ModuleNotFoundError)

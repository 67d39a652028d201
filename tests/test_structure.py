"""The tree stays one that can be read."""

import ast
import inspect
from pathlib import Path

import embrec
from embrec import EmbRecEstimator

PACKAGE = Path(embrec.__file__).parent
TESTS = Path(__file__).parent
MODULES = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.rglob("*.py")}


def functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            yield node


def n_lines(function):
    """Lines of a function, its docstring left out."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    documented = first.end_lineno - first.lineno + 1 if has_docstring else 0
    return function.end_lineno - function.lineno + 1 - documented


def test_no_module_is_long():
    assert [name for name, text in MODULES.items() if len(text.splitlines()) > 400] == []


def test_no_function_is_long():
    long = [
        f"{name}: {function.name}"
        for name, text in MODULES.items()
        for function in functions(text)
        if n_lines(function) > 60
    ]
    assert long == []


def test_no_function_takes_just_any_parameters():
    assert [name for name, text in MODULES.items() if "params: Any" in text] == []


def test_the_estimator_has_few_parameters():
    assert len(inspect.signature(EmbRecEstimator).parameters) <= 26


def mirror(name):
    """Return the file that tests a module, as CONTRIBUTING.md says: a room's have a folder."""
    *rooms, module = name.split("/")
    return "/".join([*rooms, f"test_{module.removeprefix('_')}"])


def test_every_module_has_a_test_file_that_mirrors_it():
    needed = {name for name in MODULES if Path(name).name not in ("__init__.py", "_version.py")}
    missing = sorted(name for name in needed if not (TESTS / mirror(name)).is_file())
    wanted = "\n".join(f"{name}: tests/{mirror(name)}" for name in missing)
    assert not missing, f"{len(missing)} modules have no test file that mirrors them:\n{wanted}"

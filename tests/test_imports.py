"""What importing costs, and that imports only go upward."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from processes import ForkServer

import embrec

PACKAGE = Path(embrec.__file__).parent

#: Every module at the top, and every room; each imports only from above.
ORDER = [
    "_version",
    "_utils",
    "data",
    "preprocessing",
    "scoring",
    "network",
    "training",
    "components",
    "encoders",
    "featurizers",
    "index",
    "metrics",
    "model_selection",
    "serving",
    "persistence",
    "recommenders",
    "estimator",
    "export",
    "evaluation",
    "datasets",
    "baselines",
    "blend",
    "testing",
    "demo",
]


def modules():
    """Name and path of every module of the package, the package's own ``__init__`` left out."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts).removesuffix("__init__").removesuffix(".")
        if name:
            yield name, path


def imports_of(path):
    """Names that a module imports anywhere, but for the type checker alone."""
    found, waiting = set(), [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "embrec":
            found |= {f"embrec.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
        waiting += ast.iter_child_nodes(node)
    return found


GRAPH = {name: imports_of(path) for name, path in modules()}


def top(name):
    return name.partition(".")[0]


def test_nobody_imports_the_package_itself():
    """It imports nearly all: whoever imports it for one name of it makes a circle."""
    assert [name for name in GRAPH if "embrec" in GRAPH[name]] == []


def own_imports(name):
    """Modules of embrec that a module imports, without the ``embrec.`` in front."""
    return {i.removeprefix("embrec.") for i in GRAPH[name] if i.startswith("embrec.")}


def test_every_module_has_a_place():
    assert {top(name) for name in GRAPH} == set(ORDER)
    assert len(set(ORDER)) == len(ORDER)


@pytest.mark.parametrize("name", GRAPH)
def test_imports_go_upward(name):
    # the demo stands where a user stands, and imports what a user imports
    if name == "demo":
        return
    place = ORDER.index(top(name))
    wrong = {i for i in own_imports(name) if top(i) != top(name) and ORDER.index(top(i)) >= place}
    assert wrong == set()


def test_packages_have_no_cycles_inside():
    def visit(name, path):
        assert name not in path, f"cycle: {' -> '.join([*path, name])}"
        inside = {i for i in own_imports(name) if top(i) == top(name) and i != top(name)}
        for imported in inside & set(GRAPH):
            visit(imported, [*path, name])

    for name in GRAPH:
        visit(name, [])


TABLES = {"pandas", "polars", "narwhals", "pyarrow"}
FORBIDDEN = {
    "network": TABLES | {"sklearn", "skops"},
    "training": TABLES | {"skops"},
    "encoders": TABLES | {"sklearn", "skops"},
    "index": TABLES | {"skops"},
    "scoring": TABLES | {"sklearn", "skops"},
    "data.ragged": TABLES | {"sklearn", "torch"},
    "data.ids": {"torch", "sklearn"},
    "preprocessing": {"polars", "pyarrow", "torch", "skops"},
    "featurizers": {"torch"},
    "serving.sessions": TABLES,
}
#: Layers of embrec that know no ids, users or tables.
WITHOUT_IDS = ["network", "training", "index", "scoring", "data.ragged"]


def within(name, layer):
    return f"{name}.".startswith(f"{layer}.")


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_layers_know_only_what_they_need(layer):
    for name in GRAPH:
        if within(name, layer):
            assert {top(i) for i in GRAPH[name]} & FORBIDDEN[layer] == set(), name


@pytest.mark.parametrize("layer", WITHOUT_IDS)
def test_vectors_and_rows_know_no_ids(layer):
    for name in GRAPH:
        if within(name, layer):
            known = {"data.ids", "data.interactions", "data.tables", "serving", "recommenders"}
            assert not [i for i in own_imports(name) if any(within(i, k) for k in known)], name


def test_private_names_of_scikit_learn_are_in_one_file():
    for name in set(GRAPH) - {"_utils.compat"}:
        foreign = {i for i in GRAPH[name] if i.startswith("sklearn.")}
        assert not {i for i in foreign if "._" in i}, name


@pytest.fixture(scope="module")
def run():
    """A function that runs code where all that embrec needs is imported, and embrec is not."""
    with ForkServer("pandas", "narwhals", "torch", "sklearn.pipeline") as server:

        def run(code, folder):
            done = server.run(code, folder, strict=True)
            assert done.code == 0, done.err
            return done.out.split()

        yield run


OPTIONAL = ["pyarrow", "polars", "PIL", "annoy", "matplotlib", "transformers"]
OPTIONAL += ["sentence_transformers", "gensim", "h5py", "skimage", "torchvision", "timm"]
OPTIONAL += ["faiss", "usearch", "onnx", "onnxscript", "onnxruntime"]


def test_importing_embrec_loads_no_optional_library_nor_skops(run, tmp_path):
    # pandas loads pyarrow by itself where it finds it, so it is the one to be asked
    code = f"""if True:
        import sys
        import pandas, narwhals, torch, sklearn.pipeline
        before = set(sys.modules)
        assert "embrec" not in before
        import embrec, embrec.baselines, embrec.metrics, embrec.model_selection, embrec.datasets
        import embrec.export, embrec.index, embrec.components, embrec.testing
        print(*[n for n in {[*OPTIONAL, "skops"]} if n in set(sys.modules) - before])
    """
    assert run(code, tmp_path) == []


def test_embrec_imports_without_the_optional_libraries(run, tmp_path):
    code = f"""if True:
        import sys
        for name in {OPTIONAL}:
            sys.modules[name] = None
        import embrec, embrec.baselines, embrec.metrics, embrec.model_selection, embrec.datasets
        print(embrec.__version__)
    """
    assert run(code, tmp_path) == [embrec.__version__]


def test_what_is_imported_outright_is_a_dependency():
    """Whatever else is needed goes through `import_optional`, which names the extra."""
    pyproject = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    declared = {re.match(r"[\w-]+", one).group() for one in pyproject["dependencies"]}
    foreign = {top(i) for found in GRAPH.values() for i in found} - {"embrec", "__future__"}
    foreign -= sys.stdlib_module_names
    assert {name.replace("sklearn", "scikit-learn") for name in foreign} == declared


def test_public_names():
    assert set(embrec.__all__) <= set(dir(embrec))
    assert {"EmbRecEstimator", "TfidfItemFeaturizer", "Whole", "Session"} <= set(embrec.__all__)

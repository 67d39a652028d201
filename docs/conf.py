"""Sphinx configuration."""

from embrec import __version__

project = "embrec"
author = "The embrec developers"
copyright = "2026, The embrec developers"
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"embrec {version}"
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"
default_role = "py:obj"
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
# the order of sections, and that each parameter is described
numpydoc_validation_checks = {"PR01", "PR02", "PR03", "PR10", "GL06", "GL07"}
numpydoc_validation_exclude = {
    r"\.__",
    r"\.set_.*_request$",
    r"\.get_metadata_routing$",
    r"\.set_output$",
    r"\.fit_transform$",
    r"\.(get|set)_params$",
    # what recommenders bring, which is said once, in RecommenderContract
    r"\.(query_vectors|step_query_vectors|item_vectors|training_counts|trained_places)$",
    r"\.(get_state|set_state|session_states|read_sequences|encode)$",
    r"\.BaseRecommender\.fit$",
}

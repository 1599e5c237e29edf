"""Configuration of the documentation."""

from importlib.metadata import version as installed_version

project = "simmtm_sk"
author = "simmtm_sk developers"
project_copyright = "2026, simmtm_sk developers"
release = version = installed_version("simmtm_sk")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's Parameters already name the types
# The templates choose the members; numpydoc would add every inherited one.
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"^(?!plot_)",  # scripts beside the gallery
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
}

html_theme = "alabaster"
html_theme_options = {
    "description": "Self-supervised pre-training for time series",
    "fixed_sidebar": True,
    "page_width": "1100px",
}

"""Configuration of the documentation."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for reading_order

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
    "within_subsection_order": "reading_order.place",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "simmtm_sk"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_sidebars = {"*": []}  # pages at the top have nothing below them to list
html_theme_options = {
    "header_links_before_dropdown": 5,
    "secondary_sidebar_items": ["page-toc"],
    "navigation_with_keys": False,
}

"""`sphinx-build -W docs docs/_build/html` builds the documentation; neither building nor reading it needs a network."""

from __future__ import annotations

import sys
from pathlib import Path

import counterfeit

sys.path.insert(0, str(Path(__file__).parent))
import generated

project = "Counterfeit"
author = "The Counterfeit contributors"
copyright = author  # noqa: A001
version = release = counterfeit.__version__

extensions = [
    "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx.ext.mathjax",
]  # fmt: skip
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False
autodoc_default_options = {"members": True, "exclude-members": "__init__, __new__"}

mathjax_path = "tex-svg.js"  # MathJax 3.2.2 with its fonts, Apache-2.0
mathjax3_config = {"options": {"enableMenu": False}}

html_theme = "furo"
html_title = f"Counterfeit {version}"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_sphinx = False


def setup(app: object) -> None:
    """Let pages show what is read off the program, and docstrings be plain text."""
    app.connect("source-read", generated.fill)
    app.connect("autodoc-process-docstring", generated.plain, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", generated.signature)
    app.connect("autodoc-skip-member", generated.skip)

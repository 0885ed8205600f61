"""What the site's build does besides MkDocs: draws the figures, sets the formulas.

Formulas become MathML, which browsers show without a script and without a network.
"""

import html
import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent

# What pymdownx.arithmatex makes of $…$ and $$…$$.
FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>',
    re.DOTALL,
)


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Adds the figures, drawn with the layers of this checkout."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from docs import drawing  # once the path is set

    for name in drawing.names():
        content = drawing.draw(name)
        files.append(File.generated(config, f"figures/{name}", content=content))
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Replaces LaTeX by MathML."""
    return FORMULA.sub(_to_mathml, content)


def _to_mathml(formula: re.Match[str]) -> str:
    tag = formula["tag"]
    math = convert(
        html.unescape(formula["latex"]).strip(),
        display="block" if tag == "div" else "inline",
    )
    return f'<{tag} class="formula">{math}</{tag}>'

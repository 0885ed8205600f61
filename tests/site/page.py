"""What a built page links to, shows and can be linked to."""

import dataclasses
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# The attributes that name what a browser fetches by itself.
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}


@dataclasses.dataclass
class Page:
    links: list[str] = dataclasses.field(default_factory=list)
    fetched: list[str] = dataclasses.field(default_factory=list)
    images: list[dict[str, str]] = dataclasses.field(default_factory=list)
    anchors: set[str] = dataclasses.field(default_factory=set)
    tags: set[str] = dataclasses.field(default_factory=set)
    titles: list[str] = dataclasses.field(default_factory=list)
    text: str = ""
    formulas: str = ""


def read_page(path: Path) -> Page:
    reader = _Reader()
    reader.feed(path.read_text("utf-8"))
    return reader.page


def is_external(link: str) -> bool:
    return bool(urlsplit(link).scheme or urlsplit(link).netloc)


def find_target(page: Path, link: str) -> tuple[Path, str]:
    """The file that a link of a page leads to, and the anchor in it or ""."""
    parts = urlsplit(link)
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target /= "index.html"
    return target, unquote(parts.fragment)


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.page = Page()
        self.inside: list[str] = []

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        self.page.tags.add(tag)
        if "id" in attributes:
            self.page.anchors.add(attributes["id"])
        if tag == "a" and "href" in attributes:
            self.page.links.append(attributes["href"])
        if tag == "img":
            self.page.images.append(attributes)
        if tag == "h1":
            self.page.titles.append("")
        name = FETCHED.get(tag)
        if name in attributes and attributes.get("rel") not in ("canonical", "next"):
            self.page.fetched.append(attributes[name])
        self.inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data):
        if "script" in self.inside or "style" in self.inside:
            return
        self.page.text += data
        if "math" in self.inside:
            self.page.formulas += data
        if "h1" in self.inside:
            self.page.titles[-1] += data

"""Look up every link of built pages that stays among them; files and places in files must exist.

``python tools/links.py docs/_build/html``
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

OF_SPHINX = ("_modules", "_static")  # source as pages, and templates of the theme


class Page(HTMLParser):
    """The links of a page, and the places in it that links may name."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.add(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def broken_links(folder: Path) -> list[str]:
    """Return a line for every link to what is not there."""
    pages = {
        file.resolve(): Page(file)
        for file in folder.rglob("*.html")
        if file.relative_to(folder).parts[0] not in OF_SPHINX
    }
    lines = []
    for file, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            place = unquote(parts.fragment)
            if not target.exists():
                lines.append(f"{file.relative_to(folder.resolve())}: no file {link}")
            elif place and target in pages and place not in pages[target].places:
                lines.append(f"{file.relative_to(folder.resolve())}: no place {link}")
    return lines


if __name__ == "__main__":
    broken = broken_links(Path(sys.argv[1]))
    print("\n".join(broken) or "all links lead somewhere")
    sys.exit(bool(broken))

"""A page as a parser sees it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
from html.parser import HTMLParser

EMPTY = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Elements with their attributes, text by element, and whether every element is closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.append((self.open[-1], data))

    def all(self, *tags: str) -> list[tuple[str, dict[str, str]]]:
        return [(tag, attributes) for tag, attributes in self.elements if tag in tags]

    def text(self, *tags: str) -> str:
        """The text of these elements, white space made one blank; everything but styles when none is named."""
        parts = [data for tag, data in self.texts if (tag in tags if tags else tag != "style")]
        return " ".join(" ".join(parts).split())

    def svgs(self) -> list[str]:
        kind = "data:image/svg+xml;base64,"
        found = [attributes["src"] for _, attributes in self.all("img") if attributes["src"].startswith(kind)]
        return [base64.b64decode(uri.removeprefix(kind)).decode() for uri in found]

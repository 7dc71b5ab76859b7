"""The page that a visitor gets, and the files that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from ops.web import Answer, Web

_NAMED = re.compile(r"""(?:src|href)=["']([^"']+\.(?:js|mjs|css))["']""")
_PICTURE = re.compile(
    r"""["'(]((?:/|\./|https?://)?[\w@/.:-]+\.(?:png|jpe?g|gif|webp|avif|svg|ico|bmp|tiff?))["')?#]"""
)
_CHUNK = re.compile(r"""["'](?:\./|/?assets/)([\w.-]+\.(?:js|css))["']""")
_MANY = 60


@dataclass(frozen=True)
class Page:
    answer: Answer
    texts: Mapping[str, str]
    """Scripts and style sheets by path."""

    @staticmethod
    def read(web: Web, path: str = "/") -> Page:
        """Raises CommandError when the site gives no answer."""
        answer = web.ask(path)
        texts: dict[str, str] = {}
        waiting = [_local(path, name) for name in _NAMED.findall(answer.text)]
        while waiting and len(texts) < _MANY:
            name = waiting.pop(0)
            if not name or name in texts:
                continue
            found = web.ask(name)
            if found.status == 200 and found.kind != "text/html":  # noqa: PLR2004
                texts[name] = found.text
                waiting += [f"/assets/{chunk}" for chunk in _CHUNK.findall(found.text)]
        return Page(answer, texts)

    @property
    def html(self) -> str:
        return self.answer.text

    @property
    def assets(self) -> list[str]:
        return list(self.texts)

    @property
    def pictures(self) -> list[str]:
        """Paths of the site's own pictures, as page, scripts and style sheets name them."""
        named = {
            _local(where, name)
            for where, text in {"/": self.html, **self.texts}.items()
            for name in _PICTURE.findall(text)
            if where == "/" or name.startswith(("/", "http"))
        }
        return sorted(name for name in named if name)


def _local(base: str, name: str) -> str:
    """The path of what is named, as long as it is of this site; empty otherwise."""
    parts = urlsplit(urljoin(f"https://site.invalid{base}", name))
    return parts.path if parts.netloc == "site.invalid" else ""

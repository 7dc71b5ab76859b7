"""A real browser: Debian's Chromium in a container, asked over its debugging port."""

from __future__ import annotations

import base64
import itertools
import json
import time
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from source import folder_digest
from tests.integration.environment import PROJECT, docker, free_ports, wait_until
from tests.integration.proxy_lab import build_image

FOLDER = PROJECT / "images" / "browser"
IMAGE = f"monopco/browser:test-{folder_digest(FOLDER)[:12]}"
# What a page that is refused by its own policy, or a script that fails, leaves behind.
_COMPLAINTS = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")


@dataclass
class Page:
    """One page, and all that happened on it since it was opened."""

    connection: ClientConnection
    events: list[dict[str, Any]] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def call(self, method: str, **parameters: Any) -> Any:
        """Ask the browser, and keep the events that come before its answer."""
        number = next(self.numbers)
        self.connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.connection.recv(timeout=60))
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message}"
                return message["result"]
            self.events.append(message)

    def evaluate(self, expression: str) -> Any:
        """What a JavaScript expression gives; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def open(self, url: str, headers: Mapping[str, str], ready: str) -> float:
        """Open `url` and wait until the expression `ready` holds; the seconds that it took."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Network.setExtraHTTPHeaders", headers=dict(headers))
        start = time.monotonic()
        self.call("Page.navigate", url=url)
        wait_until(lambda: bool(self.evaluate(ready)), f"{ready} at {url}", 60)
        return time.monotonic() - start

    def appearance(self, *, width: int, height: int, scheme: str) -> None:
        """How large the window is, and whether the user likes it "light" or "dark"."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def hosts(self) -> set[str]:
        """Host and port of everything that the page asked for."""
        requests = [each["params"] for each in self.events if each["method"] == "Network.requestWillBeSent"]
        return {each["request"]["url"].split("/")[2] for each in requests if each["request"]["url"].startswith("http")}

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, exceptions and what a policy refused."""
        found = [each for each in self.events if each["method"] in _COMPLAINTS]
        return [json.dumps(each["params"])[:500] for each in found if each["params"].get("type") not in ("log", "info")]

    def accessibility(self) -> list[str]:
        """What axe objects to, a line for each rule."""
        self.evaluate(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8") + "; undefined")
        result = self.evaluate("axe.run(document).then((found) => JSON.stringify(found.violations))")
        return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html']}" for each in json.loads(result)]

    def picture(self, path: Path) -> None:
        """What a person sees, whole, as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        path.write_bytes(base64.b64decode(shot["data"]))


@dataclass
class Browser:
    """A browser on the machine's own network, so that localhost is the machine."""

    container: str = field(default_factory=lambda: f"browser-test-{uuid.uuid4().hex[:8]}")
    port: int = field(default_factory=lambda: free_ports(1)[0])
    pages: list[Page] = field(default_factory=list)

    def start(self) -> Browser:
        build_image(IMAGE, FOLDER)
        arguments = [f"--remote-debugging-port={self.port}", "--ignore-certificate-errors", "about:blank"]
        docker("run", "--detach", "--network", "host", "--name", self.container, IMAGE, *arguments)
        wait_until(self._answers, "the browser answers", 60)
        return self

    def page(self) -> Page:
        made = self._ask("json/new?about:blank", "PUT")
        self.pages.append(Page(connect(made["webSocketDebuggerUrl"], max_size=2**26, ping_interval=None)))
        return self.pages[-1]

    def stop(self) -> None:
        for page in self.pages:
            page.connection.close()
        docker("rm", "--force", self.container, check=False)

    def _answers(self) -> bool:
        try:
            return bool(self._ask("json/version", "GET"))
        except OSError:
            return False

    def _ask(self, path: str, method: str) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - http to this machine
            return json.load(answer)

"""Hashed assets in the proxy's volume: those of this release and of those before it."""

from __future__ import annotations

import io
import subprocess
import tarfile
import uuid
from collections.abc import Iterator, Mapping

import pytest

from tests.integration.proxy_lab import IMAGE, PROJECT, Load, Proxy, build_image, docker

ONE, TWO, SHARED = "index-Ab12Cd34.js", "index-Ef56Gh78.js", "vendor.0123456789abcdef.css"
TEXT = "export const answer = 42;\n"


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    build_image(IMAGE, PROJECT / "images" / "nginx")
    network = f"proxy-assets-{uuid.uuid4().hex[:8]}"
    docker("network", "create", network)
    one = Proxy(network)
    try:
        one.start()
        one.shell("until curl -sf --unix-socket /run/monopco/admin.sock http://proxy/status; do sleep 0.05; done")
        one.trust()
        one.configure()
        yield one
    finally:
        one.remove()
        docker("network", "rm", network, check=False)


def archive(files: Mapping[str, str], links: Mapping[str, str] | None = None) -> bytes:
    """As `docker cp` gives a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"assets/{name}")
            entry.size, entry.mode, entry.uid = len(text.encode()), 0o600, 10001
            made.addfile(entry, io.BytesIO(text.encode()))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(f"assets/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            made.addfile(entry)
    return buffer.getvalue()


def keep(proxy: Proxy, release: str, content: bytes, keep: int = 5) -> subprocess.CompletedProcess[bytes]:
    command = ["docker", "exec", "--interactive", proxy.name, "assets", release, str(keep)]
    return subprocess.run(command, input=content, capture_output=True, check=False)


def kept(proxy: Proxy) -> list[str]:
    return proxy.shell("cd /var/lib/monopco/assets/files/assets && find . -type f | sort").split()


def test_what_an_earlier_release_had_is_still_there_and_needs_no_app(proxy: Proxy) -> None:
    assert keep(proxy, "one", archive({ONE: TEXT * 100, SHARED: "a {}"})).stdout == b"2\n"
    assert (
        keep(proxy, "two", archive({TWO: TEXT, SHARED: "b {}", "deep/er/logo-Ab12Cd34.svg": "<svg/>"})).stdout == b"3\n"
    )
    old = proxy.ask(f"/assets/{ONE}")
    assert (old.status, old.body) == (200, TEXT.encode() * 100)
    assert old.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert old.headers["Content-Type"].endswith("/javascript; charset=utf-8")
    assert old.headers["X-Content-Type-Options"] == "nosniff"
    # Names that both have are the newest one's.
    assert proxy.ask(f"/assets/{SHARED}").body == b"b {}"
    assert proxy.ask("/assets/deep/er/logo-Ab12Cd34.svg").headers["Content-Type"].startswith("image/svg+xml")
    packed = proxy.ask(f"/assets/{ONE}", headers={"Accept-Encoding": "br"})
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("br", "Accept-Encoding")
    again = proxy.ask(f"/assets/{ONE}", headers={"If-None-Match": old.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    part = proxy.ask(f"/assets/{ONE}", headers={"Range": "bytes=0-5"})
    assert (part.status, part.body) == (206, b"export")
    assert proxy.ask(f"/assets/{ONE}", method="POST", body=b"x").status == 405


def test_only_the_newest_releases_files_are_kept_and_one_that_is_gone_back_to_is_the_newest(proxy: Proxy) -> None:
    keep(proxy, "one", archive({ONE: "1", SHARED: "s"}))
    keep(proxy, "two", archive({TWO: "2", SHARED: "s"}))
    keep(proxy, "one", archive({ONE: "1", SHARED: "s"}))
    assert keep(proxy, "three", archive({"deep/a-Ab12Cd34.js": "3"}), keep=2).stdout == b"1\n"
    assert kept(proxy) == ["./deep/a-Ab12Cd34.js", f"./{ONE}", f"./{SHARED}"]
    assert keep(proxy, "none", archive({}), keep=1).stdout == b"0\n"
    assert kept(proxy) == []


def test_what_is_not_there_the_app_is_asked_for(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    keep(proxy, "one", archive({"settings.js": "not hashed"}))
    asked = proxy.ask(f"/assets/{ONE}")
    assert (asked.status, asked.release) == (200, "one")
    # What has no hash in its name is the app's alone.
    assert proxy.ask("/assets/settings.js").release == "one"
    totals = proxy.status()["requests"]["one"]
    assert totals["total"] == 2
    # Each request was counted once, though it looked in two places, and nothing of it is left open.
    assert proxy.admin("POST", "/closing?seconds=5")["quiet"] is True
    keep(proxy, "one", archive({ONE: TEXT}))
    closing = proxy.ask(f"/assets/{ONE}")
    assert (closing.status, closing.headers["Connection"]) == (200, "close")
    assert proxy.ask("/assets/other-Ab12Cd34.js").headers["Connection"] == "close"


def test_a_link_leads_nowhere_and_a_broken_archive_changes_nothing(proxy: Proxy) -> None:
    links = {"key-Ab12Cd34.js": "/var/lib/monopco/tls/bundle.pem", "up-Ab12Cd34.js": "../../../nginx.conf"}
    whole = archive({ONE: TEXT}, links)
    assert keep(proxy, "one", whole).stdout == b"1\n"
    assert kept(proxy) == [f"./{ONE}"]
    assert proxy.ask("/assets/key-Ab12Cd34.js").status == 503
    for content in (b"", archive({TWO: TEXT * 1000})[:1000], b"no archive" * 1000):
        refused = keep(proxy, "two", content)
        assert refused.returncode != 0
        assert refused.stderr
    assert kept(proxy) == [f"./{ONE}"]
    assert proxy.shell("ls /var/lib/monopco/assets") == "files\nreleases"
    for arguments in (("../x", "5"), ("", "5"), (".x", "5"), ("one", "0"), ("one", "x")):
        assert proxy.tool("assets", *arguments, check=False).returncode == 2


def test_no_asset_is_lost_while_nginx_is_reloaded(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    keep(proxy, "one", archive({ONE: TEXT}))
    with Load(proxy, path=f"/assets/{ONE}") as load:
        for limit in ("11M", "12M", "13M"):
            load.more(100)
            assert proxy.configure(body_limit=limit) == "in use"
        load.more(100)
    assert load.failures == []

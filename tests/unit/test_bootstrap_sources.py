"""Finding the machine's Debian mirrors in its apt sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.bootstrap.base_image import sources_file
from ops.bootstrap.sources import Entry, Mirrors, debian_mirrors, parse_deb822, parse_list, read

ONE_LINE = """\
# a comment
deb cdrom:[Debian GNU/Linux 12]/ bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] https://mirror.example/debian/ bookworm main contrib # the mirror
deb-src https://mirror.example/debian bookworm main
deb https://mirror.example/debian bookworm-updates main
deb https://security.example/debian-security bookworm-security main
# deb https://off.example/debian bookworm main
"""
DEB822 = """\
# a comment before
Types: deb deb-src
URIs: http://deb.example/debian http://second.example/debian
Suites: trixie trixie-updates
Components: main
# a comment inside
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main

Types: deb
URIs: http://deb.example/debian-security/
Suites: trixie-security
Components: main
"""


def test_one_line_entries_are_read_with_and_without_options() -> None:
    entries = list(parse_list(ONE_LINE))
    assert Entry("https://mirror.example/debian", "bookworm", ("main", "contrib")) in entries
    assert [entry.suite for entry in entries] == ["bookworm", "bookworm", "bookworm-updates", "bookworm-security"]


def test_a_cd_is_no_mirror() -> None:
    assert debian_mirrors([Entry("cdrom:[Debian]/", "bookworm", ("main",))], "bookworm") is None


def test_deb822_stanzas_are_read_without_the_disabled_ones() -> None:
    assert [(entry.uri, entry.suite) for entry in parse_deb822(DEB822)] == [
        ("http://deb.example/debian", "trixie"),
        ("http://deb.example/debian", "trixie-updates"),
        ("http://second.example/debian", "trixie"),
        ("http://second.example/debian", "trixie-updates"),
        ("http://deb.example/debian-security", "trixie-security"),
    ]


def test_a_key_inside_a_stanza_does_not_end_it() -> None:
    text = "Types: deb\nSigned-By:\n key\n .\n end\nURIs: http://a.example\nSuites: trixie\nComponents: main\n"
    assert [entry.uri for entry in parse_deb822(text)] == ["http://a.example"]


@pytest.mark.parametrize(("text", "parse"), [(ONE_LINE, parse_list), (DEB822, parse_deb822)])
def test_both_formats_tell_the_mirror_and_the_security_mirror(text: str, parse: object) -> None:
    entries = list(parse(text))  # type: ignore[operator]
    codename = "bookworm" if parse is parse_list else "trixie"
    mirrors = debian_mirrors(entries, codename)
    assert mirrors is not None
    assert mirrors.main.endswith("/debian")
    assert mirrors.security.endswith("/debian-security")


def test_third_parties_are_not_taken_for_debian() -> None:
    entries = [
        Entry("https://download.example/linux/debian", "bookworm", ("stable",)),
        Entry("https://apt.example/pub", "bookworm-pgdg", ("main",)),
    ]
    assert debian_mirrors(entries, "bookworm") is None


def test_without_a_security_entry_it_is_sought_beside_the_mirror() -> None:
    entries = [Entry("http://deb.example/debian", "stable", ("main",))]
    assert debian_mirrors(entries, "trixie") == Mirrors(
        "http://deb.example/debian", "http://deb.example/debian-security"
    )


def test_all_files_of_the_folder_are_read_and_nothing_else(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.example/debian bookworm main\n", encoding="utf-8")
    (parts / "b.list").write_text("deb http://b.example/debian bookworm main\n", encoding="utf-8")
    (parts / "c.sources").write_text(
        "Types: deb\nURIs: http://c.example\nSuites: x\nComponents: main\n", encoding="utf-8"
    )
    (parts / "d.sources.disabled").write_text("Types: deb\nURIs: http://d.example\nSuites: x\n", encoding="utf-8")
    assert [entry.uri for entry in read(tmp_path)] == [
        "http://a.example/debian",
        "http://b.example/debian",
        "http://c.example",
    ]


def test_a_machine_without_sources_has_no_entries(tmp_path: Path) -> None:
    assert read(tmp_path) == []


def test_the_image_gets_security_fixes_and_updates() -> None:
    entries = list(parse_deb822(sources_file(Mirrors("http://m.example/debian", "http://s.example/debian-security"))))
    assert [(entry.uri, entry.suite) for entry in entries] == [
        ("http://m.example/debian", "trixie"),
        ("http://m.example/debian", "trixie-updates"),
        ("http://s.example/debian-security", "trixie-security"),
    ]

"""What the whole program keeps to itself, and what it tells."""

from __future__ import annotations

from pathlib import Path

import pytest
from environments import RECORD_KEY, RECORD_PASSWORD, Environment, recorded
from recorder import CONTAINER, Recording
from values import in_clear, is_secret, reveal, spellings, texts


class TestSecrets:
    def test_none_is_in_clear_anywhere(self, recording: Recording, environment: Environment) -> None:
        shown = [
            *(one.name for one in recording.resources),
            *(text for one in recording.resources for text in texts(in_clear(one.inputs))),
            *(text for one in recording.resources for text in texts(in_clear(one.computed))),
            *(text for outputs in recording.registered.values() for text in texts(in_clear(outputs))),
        ]
        everything = "\n".join(shown)
        for secret in environment.secrets:
            assert [one for one in spellings(secret) if one in everything] == [], secret

    def test_each_reaches_something_on_standard_input_and_in_no_other_way(
        self, recording: Recording, environment: Environment
    ) -> None:
        """Wrapped or not, a definition is what `docker inspect` and the list of processes show."""
        hidden, elsewhere = [], []
        for resource in recording.resources:
            inputs = dict(resource.inputs)
            stdin = inputs.pop("stdin", "")
            hidden += [text for text in texts(reveal(stdin)) if is_secret(stdin)]
            elsewhere += list(texts(reveal(inputs)))
        for secret in environment.secrets:
            if secret in (RECORD_KEY, RECORD_PASSWORD, RECORD_PASSWORD):  # it seals, and nobody else needs it
                assert [text for text in hidden if any(one in text for one in spellings(secret))] == []
            else:
                assert [text for text in hidden if any(one in text for one in spellings(secret))], secret
            assert [text for text in elsewhere if any(one in text for one in spellings(secret))] == [], secret

    def test_only_secret_outputs_hold_one(self, deployed: Recording) -> None:
        assert {name for name, value in deployed.exports.items() if is_secret(value)} == {"databaseUrl", "backupKey"}

    def test_the_way_to_the_monitorings_page_is_one_too(self, folder: Path) -> None:
        exports = recorded("prod deployed", folder).exports
        assert is_secret(exports["dashboard"])
        assert reveal(exports["dashboard"]) == {
            "url": "https://monopco.fr/_monopco/",
            "user": "monopco",
            "password": "generated.secrets-page-password",
        }


class TestOutputs:
    def test_they_are_the_ones_that_are_documented(self, recording: Recording, environment: Environment) -> None:
        watched = {"dashboard"} if environment.stack == "prod" else set()
        assert set(recording.exports) - watched == {
            "backupKey",
            "backupKeyVersion",
            "url",
            "release",
            "sourceRelease",
            "domain",
            "dnsRecords",
            "containers",
            "databaseUrl",
            "caCertificate",
        }

    def test_the_database_url_is_a_secret(self, recording: Recording) -> None:
        assert is_secret(recording.exports["databaseUrl"])

    @pytest.mark.parametrize("stack", ["dev", "prod", "external", "pinned"])
    def test_the_containers_are_all_that_there_are(self, stack: str, folder: Path) -> None:
        recording = recorded(f"{stack} deployed", folder)
        there = [container.inputs["name"] for container in recording.of_type(CONTAINER)]
        assert sorted(recording.exports["containers"]) == sorted(there)

    def test_the_release_is_the_one_that_the_containers_carry(self, deployed: Recording) -> None:
        (release,) = {
            deployed.labels(one)["dev.monopco.release"]
            for one in deployed.of_type(CONTAINER)
            if one.name.startswith("release-")
        }
        assert deployed.exports["release"] == release

    def test_dev_is_found_on_this_machine(self, deployed: Recording) -> None:
        assert (deployed.exports["url"], deployed.exports["domain"]) == ("https://localhost:8443", "localhost")
        assert deployed.exports["dnsRecords"] == []
        assert deployed.exports["caCertificate"] == "printed by certificate-self-signed"

    def test_prod_is_found_at_its_name(self, folder: Path) -> None:
        exports = recorded("prod deployed", folder).exports
        assert (exports["url"], exports["domain"]) == ("https://monopco.fr", "monopco.fr")
        assert [(record["name"], record["type"], record["value"]) for record in exports["dnsRecords"]] == [
            ("www.monopco.fr.", "CNAME", "monopco.fr.")
        ]

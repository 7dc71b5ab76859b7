"""What Alertmanager is told to do."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import yaml

from components.alertmanager import Alerts, Mail, configuration, secrets

MAIL = Mail(
    to=["a@monopco.fr", "b@monopco.fr"],
    sender="monopco@monopco.fr",
    host="smtp.resend.com",
    port=587,
    username="resend",
    password="marked-password",
    tls=True,
)
EVERYBODY = Alerts(mail=MAIL, webhook="https://marked-webhook", heartbeat="https://marked-heartbeat")
NOBODY = Alerts(mail=None, webhook=None, heartbeat=None)


def document(alerts: Alerts) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(configuration(alerts))
    return loaded


def receivers(alerts: Alerts) -> dict[str, Any]:
    return {one["name"]: {key: one[key] for key in one if key != "name"} for one in document(alerts)["receivers"]}


def test_no_secret_is_in_the_configuration_and_each_has_a_file() -> None:
    text = configuration(EVERYBODY)
    assert "marked" not in text
    assert set(secrets(EVERYBODY)) == {"smtp-password", "webhook-url", "heartbeat-url"}
    assert all(f"/etc/monopco/secrets/{name}\n" in text for name in secrets(EVERYBODY))


def test_people_are_told_when_it_begins_and_when_it_is_over() -> None:
    people = receivers(EVERYBODY)["people"]
    assert [mail["to"] for mail in people["email_configs"]] == ["a@monopco.fr, b@monopco.fr"]
    assert all(one["send_resolved"] for one in (*people["email_configs"], *people["webhook_configs"]))


def test_a_test_reaches_the_same_and_is_never_over() -> None:
    people, test = receivers(EVERYBODY)["people"], receivers(EVERYBODY)["test"]
    assert set(people) == set(test)
    assert not any(one["send_resolved"] for one in (*test["email_configs"], *test["webhook_configs"]))


def test_the_heartbeat_reaches_its_address_every_minute_and_nobody_else() -> None:
    (watchdog, _) = document(EVERYBODY)["route"]["routes"]
    assert (watchdog["receiver"], watchdog["repeat_interval"]) == ("heartbeat", "1m")
    assert set(receivers(EVERYBODY)["heartbeat"]) == {"webhook_configs"}


def test_without_receivers_nobody_is_told() -> None:
    assert receivers(NOBODY) == {"people": {}, "test": {}, "heartbeat": {}}
    assert secrets(NOBODY) == {}


@pytest.mark.parametrize(
    ("host", "server"), [("smtp.resend.com", "smtp.resend.com:587"), ("2001:db8::7", "[2001:db8::7]:587")]
)
def test_the_mail_server_is_named_with_its_port(host: str, server: str) -> None:
    settings = document(dataclasses.replace(EVERYBODY, mail=dataclasses.replace(MAIL, host=host)))["global"]
    assert (settings["smtp_smarthost"], settings["smtp_require_tls"]) == (server, True)
    assert settings["smtp_auth_username"] == "resend"


def test_without_a_name_nobody_signs_in() -> None:
    alerts = dataclasses.replace(EVERYBODY, mail=dataclasses.replace(MAIL, username=None, password=None))
    assert [key for key in document(alerts)["global"] if "auth" in key] == []
    assert "smtp-password" not in secrets(alerts)

"""The containers that watch an environment."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from typing import Any

import pulumi
import pytest
import yaml
from recorder import COMMAND, CONTAINER, NETWORK, PROJECT, Recording, record
from values import is_secret, reveal, unpack

from components.alertmanager import Alerts, Mail
from components.database import MONITOR_ROLE
from components.monitoring import PICTURES, Monitoring, MonitoringArgs, login
from components.stack import Stack

MAIL = Mail(
    to=["ops@monopco.fr"],
    sender="monopco@monopco.fr",
    host="smtp.monopco.fr",
    port=587,
    username="monopco",
    password="marked-smtp",
    tls=True,
)
ARGS = MonitoringArgs(
    stack=Stack("dev"),
    docker_host=None,
    image_id="sha256:monitoring",
    network_name="monopco-dev-network",
    proxy_container="proxy-id",
    metrics_volume="monopco-dev-metrics",
    url="https://monopco.fr",
    domain="monopco.fr",
    health_path="/api/health",
    database_url="postgresql://monopco_monitor:marked-monitor@database:5432/monopco",
    page_password="marked-page",
    alerts=Alerts(mail=MAIL, webhook="https://marked-webhook", heartbeat="https://marked-heartbeat"),
)
INSIDE, OUTSIDE = "monopco-dev-monitoring", "monopco-dev-network"


def declare(**changes: Any) -> Recording:
    def run() -> None:
        passwords = {name: pulumi.Output.secret(getattr(ARGS, name)) for name in ("database_url", "page_password")}
        Monitoring("monitoring", dataclasses.replace(ARGS, **{**passwords, **changes}))

    return record(run)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare()


def networks(recording: Recording, part: str) -> dict[str, list[str]]:
    inputs = recording.named(f"monitoring-{part}", CONTAINER).inputs
    return {network["name"]: network["aliases"] for network in inputs.get("networksAdvanced") or []}


def mounts(recording: Recording, part: str) -> dict[str, Any]:
    volumes = recording.named(f"monitoring-{part}", CONTAINER).inputs.get("volumes") or []
    return {volume["containerPath"]: volume for volume in volumes}


def test_nothing_is_published(recording: Recording) -> None:
    containers = recording.of_type(CONTAINER)
    assert len(containers) == 6
    assert [one.name for one in containers if one.inputs.get("ports")] == []


def test_only_what_must_reach_the_environment_is_on_its_network(recording: Recording) -> None:
    (own,) = recording.of_type(NETWORK)
    assert own.inputs["name"] == INSIDE
    assert networks(recording, "watch") == {INSIDE: ["monitoring"], OUTSIDE: ["monitoring"]}
    assert set(networks(recording, "prober")) == set(networks(recording, "database")) == {INSIDE, OUTSIDE}
    assert set(networks(recording, "alerts")) == set(networks(recording, "machine")) == {INSIDE}


def test_what_has_dockers_socket_has_no_network_and_nothing_else_has_it(recording: Recording) -> None:
    inputs = recording.named("monitoring-containers", CONTAINER).inputs
    assert inputs["networkMode"] == "none"
    assert networks(recording, "containers") == {}
    having = [
        part
        for part in ("watch", "alerts", "prober", "machine", "database", "containers")
        if "/var/run/docker.sock" in mounts(recording, part)
    ]
    assert having == ["containers"]


def test_pictures_of_the_home_page_are_shown_where_there_are_some_and_cannot_be_changed_there(
    recording: Recording,
) -> None:
    assert PICTURES not in mounts(recording, "watch")
    mounted = mounts(declare(pictures_volume="monopco-dev-pictures"), "watch")[PICTURES]
    assert (mounted["volumeName"], mounted["readOnly"]) == ("monopco-dev-pictures", True)


def test_the_limits_are_not_far_from_what_is_resident_together(recording: Recording) -> None:
    assert sum(int(one.inputs["memory"]) for one in recording.of_type(CONTAINER)) <= 512


def test_secrets_go_by_standard_input_into_a_volume_that_one_part_mounts(recording: Recording) -> None:
    taken = recording.named("monitoring-alerts-configuration", COMMAND).inputs
    assert is_secret(taken["stdin"])
    files = unpack(reveal(taken["stdin"]))
    assert {name: text for name, text in files.items() if name != "alertmanager.yml"} == {
        "smtp-password": "marked-smtp",
        "webhook-url": "https://marked-webhook",
        "heartbeat-url": "https://marked-heartbeat",
    }
    password = recording.named("monitoring-database-configuration", COMMAND).inputs["stdin"]
    assert unpack(reveal(password)) == {
        "host": "database",
        "port": "5432",
        "database": "monopco",
        "sslmode": "prefer",
        "user": MONITOR_ROLE,
        "password": "marked-monitor",
    }
    holding = [
        (one.name, volume["volumeName"])
        for one in recording.of_type(CONTAINER)
        for volume in one.inputs.get("volumes") or []
        if volume["containerPath"] == "/etc/monopco/secrets"
    ]
    assert sorted(holding) == [
        ("monitoring-alerts", "monopco-dev-monitoring-alerts-secrets"),
        ("monitoring-database", "monopco-dev-monitoring-database-secrets"),
    ]


def test_no_container_is_defined_by_a_secret(recording: Recording) -> None:
    assert "marked" not in str([reveal(one.inputs) for one in recording.of_type(CONTAINER)])


def test_a_database_elsewhere_is_watched_as_the_app_reaches_it() -> None:
    url = "postgresql://postgres.abc:p%40ss@aws-0.pooler.supabase.com:6543/postgres?sslmode=verify-full"
    files = unpack(
        reveal(declare(database_url=url).named("monitoring-database-configuration", COMMAND).inputs["stdin"])
    )
    assert files == {
        "host": "aws-0.pooler.supabase.com",
        "port": "6543",
        "database": "postgres",
        "sslmode": "verify-full",
        "user": "postgres.abc",
        "password": "p@ss",
    }


def test_what_a_visitor_asks_for_is_tried(recording: Recording) -> None:
    envs = recording.named("monitoring-watch", CONTAINER).inputs["envs"]
    assert {"SITE_HOST=monopco.fr", "SITE_PATH=/api/health", "URL=https://monopco.fr/_monopco/", "STACK=dev"} <= set(
        envs
    )


def test_the_login_is_a_hash_that_follows_from_the_password() -> None:
    user, _, hashed = login("marked-page").strip().partition(":{SSHA}")
    digest, salt = base64.b64decode(hashed)[:20], base64.b64decode(hashed)[20:]
    assert user == "monopco"
    assert hashlib.sha1(b"marked-page" + salt, usedforsecurity=False).digest() == digest
    assert login("marked-page") == login("marked-page") != login("another")
    assert base64.b64decode(login("another").partition("}")[2])[20:] != salt


def test_the_login_is_put_into_the_proxy(recording: Recording) -> None:
    step = recording.named("monitoring-login", COMMAND).inputs
    assert step["environment"]["CONTAINER"] == "proxy-id"
    assert is_secret(step["stdin"])
    assert reveal(step["stdin"]) == login("marked-page")


def alerts() -> list[dict[str, Any]]:
    rules = yaml.safe_load((PROJECT / "images/monitoring/etc/rules.yml").read_text(encoding="utf-8"))
    return [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]


def headings(document: str) -> set[str]:
    """Anchors of a document's headings, as its readers make them."""
    found = re.findall(r"^#+ (.+)$", (PROJECT / document).read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_is_wrong_what_to_do_and_where_its_graph_is(rule: dict[str, Any]) -> None:
    assert set(rule["annotations"]) == {"summary", "description", "runbook", "graph"}
    document, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor in headings(document)
    section = rule["annotations"]["graph"].partition("/#")[2]
    assert f'<section id="{section}">' in (PROJECT / "images/monitoring/page/index.html").read_text(encoding="utf-8")
    assert rule["labels"]["severity"] in ("critical", "warning", "none")


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_every_alert_is_tried(rule: dict[str, Any]) -> None:
    assert f"alertname: {rule['alert']}" in (PROJECT / "images/monitoring/test/rules.yml").read_text(encoding="utf-8")

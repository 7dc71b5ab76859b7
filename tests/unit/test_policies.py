"""The policies: each rule finds what it is for, and the whole program is refused before anything is registered."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pulumi
import pytest
from environments import dev, external, prod_with_files
from recorder import Recording, StackConfig, record_program

from policies import COMMAND, CONTAINER, IMAGE, RULES, VOLUME, Declared, Facts, findings, looks_secret
from sections import Mode, Policies

CALM = Facts(
    resources=[
        Declared(
            CONTAINER,
            "proxy-server",
            {"memory": 128, "ports": [{"external": 443}], "image": None, "capabilities": {"drops": ["ALL"]}},
        ),
        Declared(CONTAINER, "proxy-10.0.0.2-server", {"memory": 128, "ports": [{"external": 443}]}),
        Declared(CONTAINER, "database-server", {"memory": 512, "envs": ["MEMORY_MB=512"], "image": "sha256:0f"}),
        Declared(IMAGE, "image-app-build", {"name": "monopco-prod/app:0f1e2d3c4b5a"}),
        Declared(VOLUME, "database-data", {}, protect=True),
        *(
            Declared(VOLUME, name, {})
            for name in (
                *("release-0f1e2d3c4b-configuration", "proxy-state", "certificate-account", "metrics-files"),
                "proxy-10.0.0.2-state",
                *("repository-settings", "backups-scratch", "monitoring-data-volume"),
            )
        ),
        Declared(
            CONTAINER,
            "monitoring-containers",
            {"memory": 64, "network_mode": "none", "volumes": [{"host_path": "/var/run/docker.sock"}]},
        ),
        Declared(COMMAND, "proxy-configuration", {"stdin": "http {\n  ssl_protocols TLSv1.2 TLSv1.3;\n}\n"}),
        Declared("monopco:components:Backups", "backups", {}),
    ],
    production=True,
    replicas=2,
    environment={"FEATURE": "on", "MAIL_FROM": "contact@monopco.fr"},
    public={"VITE_MAPS_API_KEY": "public-by-nature"},
)


def token(role: str) -> str:
    """A web token as Supabase makes them."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, {"role": role})]
    return ".".join([*parts, "c2lnbmF0dXJl"])


def with_container(**inputs: Any) -> Facts:
    return replace(CALM, resources=[*CALM.resources, Declared(CONTAINER, "other", {"memory": 64, **inputs})])


BROKEN: list[tuple[str, Facts, str]] = [
    ("published", with_container(ports=[{"external": 5432}]), "other publishes port 5432"),
    ("published", with_container(network_mode="host"), "other is on the machine's own network"),
    (
        "dataProtected",
        replace(CALM, resources=[*CALM.resources, Declared(VOLUME, "uploads", {})]),
        "the volume uploads may be deleted",
    ),
    ("noLatest", with_container(image="nginx"), "other runs nginx:latest"),
    ("noLatest", with_container(image="registry.example:5000/nginx:latest"), "other runs nginx:latest"),
    ("memoryLimits", with_container(memory=None), "other has no memory limit"),
    ("noPlainSecrets", replace(CALM, environment={"SMTP_PASSWORD": "x"}), "app.env.SMTP_PASSWORD is in plain text"),
    ("noPlainSecrets", replace(CALM, environment={"DB": "postgres://a:b@c/d"}), "app.env.DB is in plain text"),
    (
        "noPlainSecrets",
        replace(CALM, public={"VITE_KEY": token("service_role")}),
        "app.public.VITE_KEY is readable by all who open the page",
    ),
    ("noPlainSecrets", with_container(envs=["API_TOKEN=x"]), "other has API_TOKEN in its environment"),
    (
        "modernTls",
        replace(CALM, resources=[*CALM.resources, Declared(COMMAND, "x", {"stdin": "ssl_protocols TLSv1 TLSv1.2;"})]),
        "nginx takes TLSv1",
    ),
    ("backups", replace(CALM, resources=CALM.resources[:-1]), "nothing backs this environment up"),
    ("replicas", replace(CALM, replicas=1), "app.replicas is 1"),
    ("confined", with_container(privileged=True), "other is privileged"),
    ("confined", with_container(capabilities={"adds": ["NET_ADMIN"]}), "other is given NET_ADMIN"),
    (
        "confined",
        with_container(volumes=[{"host_path": "/var/run/docker.sock"}]),
        "other can command Docker (docker.sock)",
    ),
    (
        "confined",
        replace(
            CALM,
            resources=[
                Declared(one.type, one.name, {**one.inputs, "network_mode": None}, one.protect)
                for one in CALM.resources
            ],
        ),
        "monitoring-containers can command Docker (docker.sock)",
    ),
]
ALL_MANDATORY: dict[str, Mode] = {rule.name: "mandatory" for rule in RULES}


def test_an_environment_as_it_should_be_breaks_no_rule() -> None:
    assert findings(CALM, ALL_MANDATORY, "mandatory") == []


@pytest.mark.parametrize(("rule", "facts", "what"), BROKEN)
def test_a_rule_finds_what_it_is_for_and_no_other_rule_does(rule: str, facts: Facts, what: str) -> None:
    found = findings(facts, ALL_MANDATORY, "mandatory")
    assert [(one.rule.name, one.what) for one in found] == [(rule, what)]


def test_every_rule_is_broken_by_some_test() -> None:
    assert {rule for rule, _, _ in BROKEN} == {rule.name for rule in RULES}


@pytest.mark.parametrize("rule", ["dataProtected", "backups", "replicas"])
def test_rules_for_production_leave_others_alone(rule: str) -> None:
    for name, facts, _ in BROKEN:
        if name == rule:
            assert findings(replace(facts, production=False), ALL_MANDATORY, "mandatory") == []


def test_a_database_elsewhere_is_backed_up_by_others() -> None:
    elsewhere = Declared("monopco:components:ExternalDatabase", "database", {})
    assert findings(replace(CALM, resources=[*CALM.resources[:-1], elsewhere]), ALL_MANDATORY, "mandatory") == []


def test_a_finding_says_why_and_how_to_mend_it() -> None:
    (found,) = findings(replace(CALM, replicas=1), ALL_MANDATORY, "mandatory")
    assert str(found) == (
        "replicas: app.replicas is 1. One that crashes or hangs would be all there is. Set app.replicas to 2 or more."
    )


@pytest.mark.parametrize("mode", get_args(Mode))
def test_a_rule_weighs_what_the_configuration_says(mode: Mode) -> None:
    modes = {**ALL_MANDATORY, "replicas": mode}
    facts = replace(CALM, replicas=1)
    assert bool(findings(facts, modes, "mandatory")) is (mode == "mandatory")
    assert bool(findings(facts, modes, "advisory")) is (mode == "advisory")


def test_the_configuration_has_a_key_for_each_rule_and_says_the_same_of_it() -> None:
    keys = {field.alias: field.description for field in Policies.model_fields.values() if field.alias != "production"}
    assert keys == {rule.name: rule.asks for rule in RULES}


@pytest.mark.parametrize("name", ["JWT_SECRET", "RESEND_API_KEY", "smtp_password", "GITHUB_TOKEN"])
def test_names_of_secrets_are_known(name: str) -> None:
    assert looks_secret(name, "x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/api/x"),
        ("TOKENIZER", "fast"),
        ("VITE_SUPABASE_ANON_KEY", token("anon")),
        ("URL", "https://a.example/b"),
    ],
)
def test_other_names_and_values_are_left_alone(name: str, value: str) -> None:
    assert not looks_secret(name, value)


def refusal(stack: str, config: StackConfig) -> tuple[str, Recording]:
    into = Recording(preview=False)
    with pytest.raises(pulumi.RunError) as caught:
        record_program(stack, config, into=into)
    return str(caught.value), into


def test_the_program_is_refused_with_all_findings_before_anything_is_registered(folder: Path) -> None:
    config = prod_with_files(folder).changed("app", replicas=1, env={"SMTP_PASSWORD": "hush"})
    said, recording = refusal("prod", config.changed("database", protect=False))
    assert said.startswith("5 findings against the policies; nothing was touched\n")
    for finding in (
        "noPlainSecrets: app.env.SMTP_PASSWORD is in plain text",
        "replicas: app.replicas is 1",
        "dataProtected: the volume database-data may be deleted",
        "dataProtected: the volume restore-points-volume may be deleted",
        "dataProtected: the volume repository-volume may be deleted",
    ):
        assert finding in said
    assert "hush" not in said
    assert [one.name for one in recording.resources if one.custom] == []


def test_an_environment_with_every_part_breaks_no_rule(folder: Path) -> None:
    config = prod_with_files(folder).changed("monitoring", enabled=True)
    assert record_program("prod", config).exports["dashboard"]
    acme = config.changed("tls", mode="acme", email="a@monopco.fr", certificateFile=None, keyFile=None)
    assert record_program("prod", acme).exports["release"]
    assert record_program("prod", external(folder).changed("policies", production=True)).exports["release"]


def test_what_is_advisory_is_told_and_goes_through(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    config = prod_with_files(folder).changed("app", replicas=1).changed("policies", replicas="advisory")
    assert record_program("prod", config).exports["release"]
    assert [line for line in said if line.startswith("policy replicas: app.replicas is 1")]


def test_production_is_where_a_server_is_unless_said_otherwise(folder: Path) -> None:
    one = {"replicas": 1}
    assert record_program("dev", dev(folder).changed("app", **one)).exports["release"]
    said, _ = refusal("dev", dev(folder).changed("app", **one).changed("policies", production=True))
    assert "replicas: app.replicas is 1" in said
    config = prod_with_files(folder).changed("app", **one).changed("policies", production=False)
    assert record_program("prod", config).exports["release"]


def test_a_program_that_fails_elsewhere_does_not_wait_for_ever(folder: Path) -> None:
    broken = dev(folder).changed("tls", mode="acme", email="a@b.fr")
    with pytest.raises(pulumi.RunError, match="acme"):
        record_program("dev", broken)

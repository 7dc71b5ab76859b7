"""Alertmanager's configuration: what is told to whom, how often, and what is one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import yaml

SECRETS = "/etc/monopco/secrets"


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A server that takes mails, and whom they are for."""

    to: Sequence[str]
    sender: str
    host: str
    port: int
    username: str | None
    password: pulumi.Input[str] | None
    """Secret."""
    tls: bool
    """Whether a server that does not encrypt is refused."""

    @property
    def server(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """Who is told."""

    mail: Mail | None
    webhook: pulumi.Input[str] | None
    """URL that is told of alerts (secret)."""
    heartbeat: pulumi.Input[str] | None
    """URL that is told every minute that the watching goes on (secret)."""


def secrets(alerts: Alerts) -> dict[str, pulumi.Input[str]]:
    """The files that the configuration names, below SECRETS."""
    files = {
        "smtp-password": alerts.mail.password if alerts.mail else None,
        "webhook-url": alerts.webhook,
        "heartbeat-url": alerts.heartbeat,
    }
    return {name: value for name, value in files.items() if value is not None}


def configuration(alerts: Alerts) -> str:
    """The whole file; it holds no secret."""
    told = _receivers(alerts)
    once = {kind: [{**each, "send_resolved": False} for each in entries] for kind, entries in told.items()}
    heartbeat = {"webhook_configs": [{"url_file": f"{SECRETS}/heartbeat-url"}]} if alerts.heartbeat is not None else {}
    document = {
        "global": _server(alerts.mail) if alerts.mail else {},
        "templates": ["/etc/monopco/mail.tmpl"],
        "route": {
            "receiver": "people",
            # Alerts of one kind that come together are one message; it is told again after half a day.
            "group_by": ["alertname"],
            "group_wait": "10s",
            "group_interval": "1m",
            "repeat_interval": "12h",
            "routes": [
                {
                    "matchers": ['alertname = "Watchdog"'],
                    "receiver": "heartbeat",
                    "group_wait": "0s",
                    "group_interval": "1m",
                    "repeat_interval": "1m",
                },
                {"matchers": ['alertname = "Test"'], "receiver": "test", "group_by": ["..."], "group_wait": "0s"},
            ],
        },
        # What follows from a site that is down need not be told beside it.
        "inhibit_rules": [
            {
                "source_matchers": ['alertname = "SiteDown"'],
                "target_matchers": ['alertname =~ "Errors|Slow"'],
            }
        ],
        "receivers": [{"name": "people", **told}, {"name": "test", **once}, {"name": "heartbeat", **heartbeat}],
    }
    return yaml.safe_dump(document, sort_keys=False)


def _server(mail: Mail) -> Mapping[str, str | bool]:
    login = {"smtp_auth_username": mail.username, "smtp_auth_password_file": f"{SECRETS}/smtp-password"}
    return {
        "smtp_from": mail.sender,
        "smtp_smarthost": mail.server,
        "smtp_require_tls": mail.tls,
        **({key: value for key, value in login.items() if value} if mail.username else {}),
    }


def _receivers(alerts: Alerts) -> dict[str, list[dict[str, object]]]:
    """The receivers of people, by kind as Alertmanager calls it."""
    told: dict[str, list[dict[str, object]]] = {}
    if alerts.mail:
        text = {
            "headers": {"Subject": '{{ template "monopco.subject" . }}'},
            "html": "",
            "text": '{{ template "monopco.text" . }}',
        }
        told["email_configs"] = [{"to": ", ".join(alerts.mail.to), "send_resolved": True, **text}]
    if alerts.webhook is not None:
        told["webhook_configs"] = [{"url_file": f"{SECRETS}/webhook-url", "send_resolved": True}]
    return told

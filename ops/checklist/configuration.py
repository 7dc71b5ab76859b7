"""Configuration."""

from __future__ import annotations

import json
import math
import os
import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.checklist import guide
from ops.checklist.check import check
from ops.checklist.result import Result, failed, judged, not_applicable, passed
from ops.errors import CommandError
from ops.reading import drizzle_dialect, names_in_template, read_from_environment
from ops.survey import Survey

_SHORTEST = 32  # characters, as the guide's `openssl rand -base64 32`
_BITS = 128
_PLACEHOLDER = re.compile(r"secret|change.?me|password|example|your[-_ ]|default|test|1234|abcd", re.IGNORECASE)
_TIMEOUT = 15  # seconds
_RUN_BY_A_DEPLOY = ("prestart", "start", "prebuild", "build", "postbuild", "postinstall")


def expected_variables(survey: Survey) -> set[str]:
    """What the app must find in its environment: what the stack's file promises, and what is set for every app."""
    app = {key: survey.file.value("app", key) or {} for key in ("env", "secrets", "public")}
    return {"NODE_ENV", "PORT", "RELEASE", "DATABASE_URL", "JWT_SECRET", *app["env"], *app["secrets"], *app["public"]}


def missing(wanted: set[str], given: Mapping[str, str]) -> list[str]:
    return sorted(name for name in wanted if not given.get(name))


@check(guide.VARIABLES)
def variables(survey: Survey) -> Result:
    wanted = expected_variables(survey)
    given = {one.name: survey.variables_of(one.name) for one in survey.running("app")}
    problems = [f"{name} has no {', '.join(lost)}" for name, has in given.items() if (lost := missing(wanted, has))]
    todo = f"./monopco up -s {survey.stack} makes containers with what the stack's file says"
    return judged(problems, todo, f"{len(wanted)} variables in {len(given)} containers")


@check(guide.VARIABLES, "The variables that the source's own template names are set")
def template(survey: Survey) -> Result:
    names = names_in_template(survey.source)
    if not names:
        others = sorted(read_from_environment(survey.source) - survey.variables.keys())
        unset = f"; its code also reads, if they are there: {', '.join(others)}" if others else ""
        return not_applicable(f"the source has no .env.example{unset}")
    lost = missing(names, survey.variables)
    return judged(
        [f"{', '.join(lost)} not set" for _ in lost[:1]],
        "name them in app.secrets (then: pulumi config set --secret NAME), app.env or app.public",
        f"all {len(names)} are set",
    )


@check(guide.NODE_ENV)
def node_env(survey: Survey) -> Result:
    found = {one.name: survey.variables_of(one.name).get("NODE_ENV", "") for one in survey.running("app")}
    wrong = [f"{name} has NODE_ENV={value or 'nothing'}" for name, value in found.items() if value != "production"]
    return judged(
        wrong, "take NODE_ENV out of the `start` script of package.json", f"production in {len(found)} processes"
    )


def weakness(secret: str, others: Mapping[str, str]) -> str:
    """What is wrong with a secret that signs sessions; empty when nothing is."""
    counts = Counter(secret)
    bits = -sum(count * math.log2(count / len(secret)) for count in counts.values()) if secret else 0
    if len(secret) < _SHORTEST:
        return f"it has {len(secret)} characters, {_SHORTEST} at least are needed"
    if bits < _BITS:
        return f"its characters repeat so much that it holds {bits:.0f} bits at most, {_BITS} are needed"
    if _PLACEHOLDER.search(secret) and not re.fullmatch(r"[A-Za-z0-9+/=_-]{40,}", secret):
        return "it looks like a placeholder"
    same = [name for name, value in others.items() if value == secret]
    return f"it is the same as {', '.join(same)}" if same else ""


@check(guide.JWT_SECRET)
def jwt_secret(survey: Survey) -> Result:
    given = survey.variables
    secret = given.get("JWT_SECRET", "")
    problem = weakness(secret, {name: value for name, value in given.items() if name != "JWT_SECRET"})
    todo = (
        "take JWT_SECRET out of app.secrets, then it is generated"
        if "JWT_SECRET" in (survey.file.value("app", "secrets") or [])
        else f"pulumi config set --stack {survey.stack} --path monopco:rotation.jwt 2, then ./monopco up"
    )
    return judged([problem] if problem else [], todo, f"{len(secret)} characters, used for nothing else")


@dataclass(frozen=True)
class Service:
    """A service whose key the app has, and a question that costs nothing and changes nothing."""

    name: str
    variable: str
    endpoint: str
    """The variable of this command's environment that names another server to ask."""
    url: str
    path: str
    header: str


RESEND = Service("Resend", "RESEND_API_KEY", "RESEND_URL", "https://api.resend.com", "/domains", "Authorization")
PAPPERS = Service("Pappers", "PAPPERS_API_KEY", "PAPPERS_URL", "https://api.pappers.fr/v2", "/suivi-jetons", "api-key")


def ask_service(service: Service, key: str) -> tuple[int, str]:
    """Status and body of what a service says to a key. Raises CommandError when it cannot be reached."""
    url = os.environ.get(service.endpoint, service.url).rstrip("/") + service.path
    value = f"Bearer {key}" if service.header == "Authorization" else key
    request = urllib.request.Request(url, headers={service.header: value, "User-Agent": "monopco"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310 - https, or what was asked for
            return response.status, response.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace")
    except OSError as error:
        raise CommandError(f"{service.name} cannot be reached ({error}).") from error


def judge_key(service: Service, status: int, body: str) -> Result:
    """What an answer says about the key. Resend's keys that may only send are refused with a name of its own."""
    if status == 200 or "restricted_api_key" in body:  # noqa: PLR2004
        return passed(f"{service.name} accepts it")
    if status == 429:  # noqa: PLR2004
        return failed(f"{service.name} says too many requests (429)", "wait a minute and run this check again")
    return failed(
        f"{service.name} refuses it (status {status})",
        f"make a new key there, and set it: pulumi config set --secret {service.variable}",
    )


def _key(survey: Survey, service: Service) -> Result:
    if service.variable not in (survey.file.value("app", "secrets") or []):
        return not_applicable(f"app.secrets has no {service.variable}")
    if not survey.online:
        return not_applicable(f"{service.name} is asked with --online only")
    return judge_key(service, *ask_service(service, survey.variables.get(service.variable, "")))


@check(guide.API_KEYS, "The key of Resend is accepted")
def resend_key(survey: Survey) -> Result:
    return _key(survey, RESEND)


@check(guide.API_KEYS, "The key of Pappers is accepted")
def pappers_key(survey: Survey) -> Result:
    return _key(survey, PAPPERS)


@check(guide.CONNECTION, "The database answers the app's user and password")
def database_connection(survey: Survey) -> Result:
    (row,) = survey.ask_as_app("SELECT current_user AS who, current_setting('server_version') AS version")
    return passed(f"PostgreSQL {row['version']} answers {row['who']}")


@check(guide.Group.CONFIGURATION, "MonOPCO's drizzle.config.ts is not the way to the tables")
def drizzle(survey: Survey) -> Result:
    dialect = drizzle_dialect(survey.source)
    if not dialect:
        return not_applicable("the source has no drizzle.config.ts")
    if dialect != "mysql" or not survey.variables.get("DATABASE_URL", "").startswith("postgres"):
        return passed(f"its dialect is {dialect}")
    users = scripts_with_drizzle(json.loads((survey.source / "package.json").read_text(encoding="utf-8")))
    problems = [f"the script `{name}` of package.json runs drizzle-kit, which is set up for MySQL" for name in users]
    problems += ["it is for MySQL, and the source has no SQL script instead" for _ in [0] if not survey.scripts]
    return judged(
        problems,
        "bring the tables as SQL scripts (database.migrations); `pnpm db:push` cannot work on PostgreSQL",
        f"it is for MySQL and is left alone; {len(survey.scripts)} SQL scripts make the tables",
    )


def scripts_with_drizzle(package: Mapping[str, Any]) -> list[str]:
    """Scripts of package.json that are run in a deploy and would have drizzle-kit change the database."""
    run = {name: text for name, text in (package.get("scripts") or {}).items() if name in _RUN_BY_A_DEPLOY}
    return sorted(name for name, text in run.items() if "drizzle-kit" in text or "db:push" in text)


def domains_of(body: str) -> dict[str, str]:
    """Resend's sending domains and their state."""
    try:
        return {str(one["name"]): str(one["status"]) for one in json.loads(body).get("data", [])}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}

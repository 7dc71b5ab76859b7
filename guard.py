"""Holds every resource back until the policies have been asked about all of them.

The program declares everything before the engine hears of the first resource. Each resource waits for one more thing,
the verdict; so what breaks a mandatory rule is told at once, all of it, and nothing was touched. Plain `pulumi up` is
refused like `./monopco up`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pulumi

from policies import Declared, Facts, Finding, findings
from settings import Settings


class PolicyError(pulumi.RunError):
    """What breaks the mandatory rules, one line each."""

    def __init__(self, found: list[Finding]) -> None:
        count = "1 finding" if len(found) == 1 else f"{len(found)} findings"
        lines = "\n".join(f"  - {finding}" for finding in found)
        super().__init__(f"{count} against the policies; nothing was touched\n{lines}")


@contextmanager
def guarded(settings: Settings) -> Iterator[None]:
    """Let the resources that are declared inside go on once no mandatory rule is broken; else raise PolicyError."""
    verdict: asyncio.Future[list[pulumi.Resource]] = asyncio.get_running_loop().create_future()
    waits = pulumi.ResourceOptions(depends_on=pulumi.Output.from_input(verdict))
    declared: list[Declared] = []

    def hold(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
        declared.append(_declared(args))
        return pulumi.ResourceTransformationResult(args.props, pulumi.ResourceOptions.merge(args.opts, waits))

    pulumi.runtime.register_stack_transformation(hold)
    try:
        yield
        _judge(settings, declared)
    except BaseException as error:
        verdict.set_exception(error)
        verdict.exception()  # nobody may have waited for it yet
        raise
    verdict.set_result([])


def _judge(settings: Settings, declared: list[Declared]) -> None:
    sections = settings.sections
    rules = sections.policies
    facts = Facts(
        resources=declared,
        production=sections.server.host is not None if rules.production is None else rules.production,
        replicas=sections.app.replicas,
        environment=sections.app.env,
        public=sections.app.public,
    )
    modes = rules.model_dump(by_alias=True, exclude={"production"})
    for finding in findings(facts, modes, "advisory"):
        pulumi.log.warn(f"policy {finding}")
    if broken := findings(facts, modes, "mandatory"):
        raise PolicyError(broken)


def _declared(args: pulumi.ResourceTransformationArgs) -> Declared:
    return Declared(args.type_, args.name, _known(args.props) or {}, protect=bool(args.opts.protect))


def _known(value: Any) -> Any:
    """The value as far as it is known and no secret; None in the place of the rest."""
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known(item) for item in value]
    if isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, pulumi.Output) or not hasattr(value, "__dict__"):
        return None
    return _known(vars(value))  # a group of arguments such as ContainerPortArgs

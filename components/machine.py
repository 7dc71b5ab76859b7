"""The server itself: checked, brought up to date, hardened and given Docker, over SSH.

Each step is a resource with a script of its own, so that a diff names what changes. A script is safe to run again, and
with CHECK set it changes nothing and says what differs; `./monopco` looks for drift that way. A change of sshd or of
the firewall is undone by the server itself unless a second, new connection confirms it. Destroying the environment
leaves all of this as it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_command import remote

from components.child import child
from components.ssh import DEPLOYER
from components.stack import Stack
from components.step import script

PROCESSORS = 2
# What is left of 2 GB and of 20 GB on the servers of usual providers.
MEMORY_MB = 1850
DISK_MB = 17500
FREE_DISK_MB = 4096
# How often a connection is tried, at first after parts of a second, then every 5 s. The first contact gives up soon: if
# a key is not accepted, sshd refuses whoever tries on. A confirmation outlives the minute in which a change is undone.
FIRST_TRIES, TRIES, CONFIRMATION_TRIES = 2, 15, 25
_END = "END_OF_STEP"


@dataclass(frozen=True, kw_only=True)
class MachineArgs:
    stack: Stack
    host: str
    port: int
    user: str
    """Who sets the server up: root, or one with sudo that asks no password."""
    private_key: pulumi.Input[str] | None
    """Of that user; None asks the SSH agent."""
    host_key: str | None
    """The key that the server must show, as in a .pub file. None is for a preview only."""
    authorized_key: str
    """Who deploys shows the key to this one; empty lets in whoever may log in as `user`."""
    ports: Sequence[int]
    """Public ones, besides that of SSH."""
    others: Sequence[str] = ()
    """Addresses or names of the other servers of the swarm, which get at its ports; without any there is no swarm."""
    encrypted: bool = False
    """Whether the servers of the swarm are to encrypt what they say to each other."""


def step_text(name: str, parameters: Mapping[str, str], *scripts: str) -> str:
    """The text of a step, complete in itself: sshd hands on no environment."""
    given = "".join(f"{key}={shlex.quote(value)}\n" for key, value in {"STEP": name, **parameters}.items())
    # Read to its end before it begins, because a command in it could read on.
    body = "{\n" + given + script("machine/lib.sh", *scripts) + "} </dev/null\n"
    return script("machine/as_root.sh") + body + f"{_END}\n"


class Machine(pulumi.ComponentResource):
    ready: pulumi.Output[str]
    """What was found on the server; known once it is set up."""

    def __init__(self, name: str, args: MachineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Machine", name, None, opts)
        self._name, self._args, self._opts = name, args, opts
        needs = {
            "PROCESSORS": str(PROCESSORS),
            "MEMORY_MB": str(MEMORY_MB),
            "DISK_MB": str(DISK_MB),
            "FREE_DISK_MB": str(FREE_DISK_MB),
        }
        account = {"STACK": args.stack.name, "ACCOUNT": DEPLOYER, "AUTHORIZED_KEY": args.authorized_key}
        host_key = {"HOST_KEY_TYPE": (args.host_key or "").partition(" ")[0]}
        ports = {"STACK": args.stack.name, "PORTS": " ".join(str(port) for port in sorted(args.ports))}
        if args.others:
            ports["OTHERS"] = " ".join(args.others)
        swarm = {"LIVE_RESTORE": "False", "ENCRYPTED": "yes" if args.encrypted else ""} if args.others else {}

        found = self._step("requirements", "machine/requirements.sh", needs, tries=FIRST_TRIES)
        packages = self._step("packages", "machine/packages.sh", after=[found])
        docker = self._step("docker", "machine/docker.sh", swarm, after=[packages])
        done = [
            self._step("account", "machine/account.sh", account, after=[packages]),
            self._confirmed("ssh", "machine/ssh.sh", host_key, after=[packages]),
            # Both it and Docker make rules of the firewall.
            self._confirmed("firewall", "machine/firewall.sh", ports, after=[docker]),
            self._step("fail2ban", "machine/fail2ban.sh", after=[packages]),
            self._step("kernel", "machine/kernel.sh", after=[packages]),
            self._step("swap", "machine/swap.sh", after=[packages]),
            self._step("clock", "machine/clock.sh", after=[packages]),
            self._step("logs", "machine/logs.sh", after=[packages]),
        ]
        self.ready = pulumi.Output.all(found.stdout, *(each.id for each in done)).apply(lambda known: str(known[0]))
        self.register_outputs({"ready": self.ready})

    def _confirmed(
        self, name: str, file: str, parameters: Mapping[str, str], *, after: Sequence[pulumi.Resource]
    ) -> remote.Command:
        """A step whose change is undone unless a new connection can be made after it."""
        changed = self._command(name, step_text(name, parameters, "machine/undo.sh", file), after=after, tries=TRIES)
        return self._command(
            f"{name}-confirmation",
            step_text(name, {}, "machine/undo.sh", "machine/confirm.sh"),
            after=[changed],
            tries=CONFIRMATION_TRIES,
            # A change says when it was made, so that one that only makes good what somebody did is confirmed, too.
            triggers=[changed.stdout],
        )

    def _step(
        self,
        name: str,
        file: str,
        parameters: Mapping[str, str] | None = None,
        *,
        after: Sequence[pulumi.Resource] = (),
        tries: int = TRIES,
    ) -> remote.Command:
        return self._command(name, step_text(name, parameters or {}, file), after=after, tries=tries)

    def _command(
        self,
        name: str,
        text: str,
        *,
        after: Sequence[pulumi.Resource],
        tries: int,
        triggers: Sequence[pulumi.Input[str]] = (),
    ) -> remote.Command:
        args = self._args
        connection = remote.ConnectionArgs(
            host=args.host,
            port=args.port,
            user=args.user,
            private_key=args.private_key,
            host_key=args.host_key,
            dial_error_limit=tries,
            per_dial_timeout=15,
        )
        waits = pulumi.ResourceOptions(depends_on=list(after))
        return remote.Command(
            f"{self._name}-{name}",
            connection=connection,
            create=text,
            triggers=list(triggers) or None,
            opts=pulumi.ResourceOptions.merge(child(self, self._opts), waits),
        )

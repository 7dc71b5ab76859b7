"""Where things lie in the project: the git-ignored folders that the command makes and the tools that use them read."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

VENV = PROJECT / ".venv"

CACHE = PROJECT / ".cache"  # may be deleted at any time, is made again
TOOLS = CACHE / "bin"
PULUMI_HOME = CACHE / "pulumi-home"
STAMPS = CACHE / "stamps"

STATE = PROJECT / ".state"  # deployments and their passphrase: losing it loses track of what runs
LOGS = STATE / "logs"
PASSPHRASE = STATE / "passphrase"
CERTIFICATES = STATE / "ca.pem"

DEFAULT_STACK = "dev"
BASE_IMAGE = "monopco/base:trixie"

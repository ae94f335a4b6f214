"""Programs that pretend to be `kalam`: scripts that print what a test says."""

from __future__ import annotations

import stat
from pathlib import Path

HEAD = """#!/bin/sh
case "$*" in
*--version*) echo 'kalam 0.2.0'; exit 0;;
*--help*) echo '--url <URL> --json --command {flags}'; exit 0;;
esac
"""


def fake_client(folder: Path, body: str, flags: str = "--user <USER> --config <CONFIG>") -> tuple[str, ...]:
    """The command of a client that answers `--version` and `--help`, and else runs the shell text `body`."""
    path = folder / "kalam"
    path.write_text(HEAD.replace("{flags}", flags) + body)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return (str(path),)

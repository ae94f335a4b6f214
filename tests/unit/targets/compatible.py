"""The compatible client as one program, whatever `kalam` is on the PATH of whoever runs the tests."""

from __future__ import annotations

import shlex
import stat
from pathlib import Path

from kalam_props.reference.client import client_command


def compatible_client(folder: Path) -> Path:
    path = folder / "compatible-kalam"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(client_command())} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path

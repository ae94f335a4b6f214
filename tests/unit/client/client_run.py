"""Running the compatible client as its users do: as a process."""

from __future__ import annotations

import subprocess

from attrs import frozen

from kalam_props.reference.client import client_command


@frozen
class Run:
    code: int
    out: str
    err: str


def run_client(*arguments: str, stdin: str = "") -> Run:
    ended = subprocess.run(
        [*client_command(), *arguments], input=stdin.encode(), capture_output=True, timeout=30, check=False
    )
    return Run(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def ask(url: str, sql: str, *more: str) -> Run:
    return run_client("-u", url, "--token", "T", "--no-color", "--no-spinner", *more, "-c", sql)

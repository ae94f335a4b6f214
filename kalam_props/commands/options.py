"""Options that several commands share, and where a run keeps its files."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from kalam_props.errors import StorageError
from kalam_props.programs.machines import MACHINES
from kalam_props.targets.identity import CHOICES
from kalam_props.targets.opening import TargetOptions

ROOT_PASSWORD = "KALAM_PROPS_ROOT_PASSWORD"  # noqa: S105  # the name of a variable
RUNS = Path("kalam-props-runs")

_Command = TypeVar("_Command", bound=Callable[..., Any])


def option(name: str, *declarations: str, **settings: Any) -> Callable[[_Command], _Command]:
    """A click option that can also be given in the environment, as `KALAM_PROPS_` and its name."""
    variable = "KALAM_PROPS_" + name.partition("/")[0].removeprefix("--").upper().replace("-", "_")
    return click.option(name, *declarations, envvar=variable, **settings)


_TARGET = (
    option(
        "--server-url", metavar="URL", help="A server that runs; root's password in " + ROOT_PASSWORD + "."
    ),
    option(
        "--kalamdb-server",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="A kalamdb-server binary to start and stop; default: the reference server.",
    ),
    option(
        "--kalam",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="A kalam binary; default: kalam from PATH, else the compatible client.",
    ),
    option(
        "--driver",
        type=click.Choice(["process", "session", "http"]),
        default="process",
        show_default=True,
        help="One kalam process a statement, one a session, or HTTP without kalam.",
    ),
    option(
        "--identity",
        type=click.Choice(CHOICES),
        default="auto",
        show_default=True,
        help="How programs act as their users.",
    ),
    option(
        "--fault",
        "faults",
        multiple=True,
        metavar="NAME[:k=v,…]",
        help="Switch on a fault of the reference server (see `kalam-props faults`); repeatable.",
    ),
    option(
        "--gate/--no-gate",
        default=True,
        show_default=True,
        help="A proxy before the server that decides when each request of a program goes on.",
    ),
    option("--allow-remote", is_flag=True, help="Let a server URL be another machine's."),
)


def target_options(command: _Command) -> _Command:
    """The options that choose a target; the command takes `target: TargetOptions`."""

    def wrapped(**values: Any) -> Any:
        names = (
            "server_url",
            "kalamdb_server",
            "kalam",
            "driver",
            "identity",
            "faults",
            "gate",
            "allow_remote",
        )
        chosen = {name: values.pop(name) for name in names}
        password = os.environ.get(ROOT_PASSWORD)
        return command(target=TargetOptions(**chosen, root_password=password), **values)

    wrapped.__name__ = command.__name__
    wrapped.__doc__ = command.__doc__
    wrapped.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(_TARGET):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


machine_option = option(
    "--machine",
    "machines",
    multiple=True,
    type=click.Choice(list(MACHINES)),
    help="Which machines draw programs; repeatable; default: all, taking turns.",
)

known_option = option(
    "--known",
    "known",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="Seeds of open bugs of this server: where they are seen they are named, and no failure; repeatable.",
)

run_dir_option = option(
    "--run-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help=f"Where to keep the run; default: {RUNS}/…",
)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else."
)


def make_run_dir(wanted: Path | None, what: str) -> Path:
    """A folder for a run's files.

    Raises:
        StorageError: it cannot be created.

    """
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    folder = wanted if wanted is not None else RUNS / f"{stamp}-{what}-{secrets.token_hex(2)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: the run's folder cannot be created ({error.strerror})") from None
    return folder

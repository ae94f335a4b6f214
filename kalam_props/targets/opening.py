"""From what a user asked for to a target that answers: which server, which client, which driver."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import field, frozen

from kalam_props.drivers.http import HttpDriver
from kalam_props.drivers.login import login
from kalam_props.drivers.process import process_driver
from kalam_props.drivers.protocol import Credential, Driver
from kalam_props.drivers.session import session_driver
from kalam_props.errors import TargetError, UsageError
from kalam_props.gate.handle import Gate
from kalam_props.reference import parse_fault
from kalam_props.reference.client import client_command
from kalam_props.targets import launch
from kalam_props.targets.journal import JOURNAL, note, temporary_folder
from kalam_props.targets.managed import ROOT_USER, ManagedServer, PlanLaunch, free_name, new_password
from kalam_props.targets.target import Target, check_address, probe
from kalam_props.targets.workspace import Workspace, open_workspace

CRASHED = "server-data"


@frozen
class TargetOptions:
    """What the user asked for; what is None is chosen by `open_target`.

    Attributes:
        server_url: a server that runs; else one is started: `kalamdb_server`, or the reference.
        kalam: the client's binary; else `kalam` from PATH, else the compatible client.
        faults: faults of the reference server to switch on, as `name` or `name:k=v`.
        root_password: of a server that runs.
        gate: whether programs' requests go through a gate.

    """

    server_url: str | None = None
    kalamdb_server: Path | None = None
    kalam: Path | None = None
    driver: str = "process"
    identity: str = "auto"
    faults: tuple[str, ...] = ()
    allow_remote: bool = False
    root_password: str | None = field(default=None, repr=False)
    gate: bool = True


@contextmanager
def open_target(options: TargetOptions, folder: Path) -> Iterator[Target]:
    """A target that answers; at the end its connections are closed and a server that is ours has ended.

    Args:
        options: what the user asked for.
        folder: the run's folder: the server's log goes there, and its data if it crashed.

    Raises:
        UsageError: options that do not fit together.
        TargetError: the server or the client cannot be started or reached; says what to do.
        StorageError: no temporary folder can be made, or not be noted in the run's.

    """
    _check(options)
    command = client_of(options)
    server: ManagedServer | None = None
    with temporary_folder() as data, ExitStack() as opened:
        note(folder / JOURNAL, {"folder": str(data), "server_ours": options.server_url is None})
        home = data / "home"
        home.mkdir()
        if options.server_url is not None:
            url = check_address(options.server_url, allow_remote=options.allow_remote)
            interval = None
            if (password := options.root_password) is None:
                raise UsageError(
                    "root's password is needed to make namespaces and users: "
                    "set KALAM_PROPS_ROOT_PASSWORD in the environment"
                )
            product = probe(url)
        else:
            server, interval = _server(options, data, folder)
            opened.callback(_end, server, folder)
            server.start()
            url, product, password = server.url, server.product, server.root_password
        driver = open_driver(options.driver, command, home)
        opened.callback(driver.close)
        root = Credential(ROOT_USER, password=password, token=login(url, ROOT_USER, password))
        admin = HttpDriver().connect(root, url=url)
        opened.callback(admin.close)
        gate = opened.enter_context(Gate(url)) if options.gate else None
        yield Target(url, product, driver, root, admin, server, interval, gate)


@contextmanager
def open_run(options: TargetOptions, folder: Path) -> Iterator[Workspace]:
    """A workspace on a target: a namespace and users that are gone at the end, also after an error.

    Raises:
        UsageError, TargetError, SetupRefusedError, StorageError: as their places say.

    """
    with open_target(options, folder) as target:
        workspace = open_workspace(target, options.identity, folder / JOURNAL)
        try:
            yield workspace
        finally:
            if target.managed is None or target.managed.running:
                workspace.close()


def client_of(options: TargetOptions) -> tuple[str, ...]:
    """The client's command: the one asked for, `kalam` from PATH, or the compatible one.

    Raises:
        TargetError: the binary asked for is not there, or cannot be run.

    """
    if options.kalam is not None:
        found = shutil.which(str(options.kalam))
        if found is None:
            raise TargetError(
                f"there is no program {options.kalam}; --kalam takes the path of a kalam binary"
            )
        return (str(Path(found).resolve()),)
    on_path = shutil.which("kalam")
    return (on_path,) if on_path is not None else client_command()


def open_driver(name: str, command: tuple[str, ...], home: Path) -> Driver:
    """The driver of a name, with a client's command and a HOME of its own.

    Raises:
        UsageError: no such driver.
        TargetError: the command is no `kalam`.

    """
    match name:
        case "process":
            return process_driver(command, home)
        case "session":
            return session_driver(command, home)
        case "http":
            return HttpDriver()
        case _:
            raise UsageError(f"unknown driver {name!r}; known are process, session and http")


def _check(options: TargetOptions) -> None:
    if options.server_url is not None and options.kalamdb_server is not None:
        raise UsageError("--server-url and --kalamdb-server name two servers; give one")
    for fault in options.faults:
        parse_fault(fault)
    if options.faults and (options.server_url is not None or options.kalamdb_server is not None):
        raise UsageError("--fault is for the reference server that we start; leave out the other server")


def _server(options: TargetOptions, data: Path, folder: Path) -> tuple[ManagedServer, float]:
    """The reference server, or the binary, not yet started; its flush check interval."""
    password = new_password()
    plan: PlanLaunch
    if options.kalamdb_server is None:
        plan, interval = launch.reference(password, options.faults), launch.REFERENCE_CHECK_INTERVAL_S
    else:
        plan, interval = launch.kalamdb(options.kalamdb_server, password), launch.KALAMDB_CHECK_INTERVAL_S
    server_data = data / CRASHED
    server_data.mkdir()
    return ManagedServer(plan, server_data, folder / "server.log", password), interval


def _end(server: ManagedServer, folder: Path) -> None:
    """Stop a server of ours; the data folder of one that died by itself stays with the run."""
    crashed = server.crashed
    server.close()
    if crashed and server.data_dir.exists():
        shutil.move(str(server.data_dir), str(free_name(folder / CRASHED)))

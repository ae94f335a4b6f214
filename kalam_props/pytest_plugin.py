"""The pytest plugin: options that choose a target, fixtures that run programs, seeds as test items.

    def test_my_machine(kalam_hunt):
        kalam_hunt(MyMachine)

A failure says what a hunt would say. Seeds in a folder named `seeds` are collected as tests of their own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # a pytest run that uses no fixture of ours must not pay for our imports
    from kalam_props.hunt.lab import Lab
    from kalam_props.programs.machine import ProgramMachine
    from kalam_props.targets.opening import TargetOptions
    from kalam_props.targets.workspace import Workspace

    KalamHunt = Callable[[type[ProgramMachine]], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kalam-props")
    group.addoption("--kalam-server-url", metavar="URL", help="a server that runs (KALAM_PROPS_SERVER_URL)")
    group.addoption(
        "--kalam-server", metavar="PATH", help="a kalamdb-server binary (KALAM_PROPS_KALAMDB_SERVER)"
    )
    group.addoption("--kalam-cli", metavar="PATH", help="a kalam binary (KALAM_PROPS_KALAM)")
    group.addoption("--kalam-identity", metavar="MODE", help="auto, login, execute-as or token")
    group.addoption("--kalam-driver", metavar="NAME", help="process, session or http")
    group.addoption(
        "--kalam-no-gate", action="store_true", help="no gate before the server (KALAM_PROPS_GATE=0)"
    )


def target_options(config: pytest.Config) -> TargetOptions:
    """The target that the command line and the environment ask for; the reference server otherwise."""
    from kalam_props.targets.opening import TargetOptions  # noqa: PLC0415  # see above

    def asked(option: str, variable: str) -> str | None:
        value = config.getoption(option)
        return str(value) if value else os.environ.get(f"KALAM_PROPS_{variable}") or None

    server = asked("--kalam-server", "KALAMDB_SERVER")
    kalam = asked("--kalam-cli", "KALAM")
    return TargetOptions(
        server_url=asked("--kalam-server-url", "SERVER_URL"),
        kalamdb_server=Path(server) if server else None,
        kalam=Path(kalam) if kalam else None,
        driver=asked("--kalam-driver", "DRIVER") or "process",
        identity=asked("--kalam-identity", "IDENTITY") or "auto",
        root_password=os.environ.get("KALAM_PROPS_ROOT_PASSWORD"),
        gate=not config.getoption("--kalam-no-gate") and switched_on(os.environ.get("KALAM_PROPS_GATE")),
    )


def switched_on(value: str | None) -> bool:
    """As click reads the variable of a flag for the command line."""
    return value is None or value.strip().lower() not in ("0", "false", "f", "no", "n", "off")


@pytest.fixture(scope="session")
def kalam_target_options(pytestconfig: pytest.Config) -> TargetOptions:
    """What the command line and the environment say about the target."""
    return target_options(pytestconfig)


@pytest.fixture(scope="session")
def kalam_workspace(
    kalam_target_options: TargetOptions, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """A namespace on the target for the whole session; the reference server is started for it."""
    from kalam_props.targets.opening import open_run  # noqa: PLC0415  # see above

    with open_run(kalam_target_options, tmp_path_factory.mktemp("kalam")) as workspace:
        yield workspace


@pytest.fixture
def kalam_lab(kalam_workspace: Workspace, tmp_path: Path) -> Lab:
    """Where programs are run and judged; their histories are in the test's `tmp_path`."""
    from kalam_props.hunt.lab import Lab  # noqa: PLC0415  # see above

    return Lab(kalam_workspace, tmp_path / "histories")


@pytest.fixture
def kalam_hunt(kalam_lab: Lab) -> KalamHunt:
    """Hunt with a machine: fails with the minimal program of what it finds, or when it exercised nothing.

    Skips a machine that needs what the target has not.
    """
    from kalam_props.execution.diagnosis import missing  # noqa: PLC0415  # see above
    from kalam_props.hunt.campaign import Listener, Plan, hunt  # noqa: PLC0415  # see above
    from kalam_props.hunt.seeds import SEEDS_FOLDER  # noqa: PLC0415
    from kalam_props.report.finding import finding_text  # noqa: PLC0415

    def run(machine: type[ProgramMachine]) -> None:
        if lacks := missing(machine, kalam_lab.workspace):
            pytest.skip(f"{machine.__name__} needs {lacks}")
        plan = Plan(
            machines={machine.__name__: machine},
            random_seed=int.from_bytes(os.urandom(4)),
            programs=_programs(),
            fail_fast=True,
            seeds_folder=SEEDS_FOLDER,
        )
        outcome = hunt(kalam_lab, plan, Listener())
        target = kalam_lab.workspace.target.product
        if outcome.findings:
            pytest.fail(
                "\n\n".join(finding_text(finding, target.name) for finding in outcome.findings), pytrace=False
            )
        if kalam_lab.evidence.vacuous is not None:
            pytest.fail(f"{machine.__name__} exercised nothing: {kalam_lab.evidence.vacuous}", pytrace=False)

    return run


def _programs() -> int:
    """Programs for one machine: `max_examples` of the Hypothesis profile."""
    from hypothesis import settings  # noqa: PLC0415  # see above

    return settings().max_examples

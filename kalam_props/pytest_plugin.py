"""The pytest plugin: options that choose a target, fixtures that run programs, seeds as test items.

    def test_my_machine(kalam_hunt):
        kalam_hunt(MyMachine)

A failure says what a hunt would say. Seed files in a folder named `seeds` are test items of their own:

    pytest .hypothesis/seeds
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # a pytest run that uses no fixture of ours must not pay for our imports
    from kalam_props.hunt.lab import Lab
    from kalam_props.hunt.seeds import Seed
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
        "--kalam-known",
        action="append",
        metavar="PATH",
        help="seeds of open bugs of the server, a file or folder; repeatable (KALAM_PROPS_KNOWN)",
    )
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


def known_places(config: pytest.Config) -> list[Path]:
    """Where seeds of open bugs are, besides the folder of seeds."""
    given = config.getoption("--kalam-known") or os.environ.get("KALAM_PROPS_KNOWN", "").split()
    return [Path(place) for place in given]


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
def kalam_hunt(kalam_lab: Lab, pytestconfig: pytest.Config) -> KalamHunt:
    """Hunt with a machine: fails with the minimal program of what it finds, or when it exercised nothing.

    Skips a machine that needs what the target has not.
    """
    from kalam_props.execution.diagnosis import missing  # noqa: PLC0415  # see above
    from kalam_props.hunt.campaign import Listener, Plan, hunt  # noqa: PLC0415  # see above
    from kalam_props.hunt.known import known_and_open  # noqa: PLC0415
    from kalam_props.hunt.seeds import SEEDS_FOLDER  # noqa: PLC0415
    from kalam_props.programs.machine import fitted  # noqa: PLC0415
    from kalam_props.report.finding import finding_text  # noqa: PLC0415

    def run(machine: type[ProgramMachine]) -> None:
        if lacks := missing(machine, kalam_lab.workspace):
            pytest.skip(f"{machine.__name__} needs {lacks}")
        plan = Plan(
            machines={machine.__name__: fitted(machine, kalam_lab.workspace.capabilities.lacks)},
            random_seed=int.from_bytes(os.urandom(4)),
            programs=_programs(),
            fail_fast=True,
            seeds_folder=SEEDS_FOLDER,
            known=known_and_open(SEEDS_FOLDER, *known_places(pytestconfig)),
        )
        outcome = hunt(kalam_lab, plan, Listener())
        target = kalam_lab.workspace.target.product
        if outcome.findings:
            pytest.fail(
                "\n\n".join(finding_text(finding, target.name) for finding in outcome.findings), pytrace=False
            )
        vacuous = kalam_lab.exercised.evidence.vacuous
        if vacuous is not None:
            pytest.fail(f"{machine.__name__} exercised nothing: {vacuous}", pytrace=False)

    return run


def _programs() -> int:
    """Programs for one machine: `max_examples` of the Hypothesis profile."""
    from hypothesis import settings  # noqa: PLC0415  # see above

    return settings().max_examples


_OPENED = pytest.StashKey[ExitStack]()
_WORKSPACE = pytest.StashKey["Workspace"]()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A seed file is a test. Others, such as programs, may lie beside it."""
    if file_path.suffix != ".json" or file_path.parent.name != "seeds":
        return None
    from kalam_props.hunt.seeds import FORMAT  # noqa: PLC0415  # see above

    with file_path.open(encoding="utf-8", errors="replace") as file:
        return SeedFile.from_parent(parent, path=file_path) if FORMAT in file.read(200) else None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close what seeds were run on."""
    if _OPENED in session.stash:
        session.stash[_OPENED].close()


class SeedFile(pytest.File):
    """A seed file: one item."""

    def collect(self) -> Iterable[pytest.Item]:
        from kalam_props.hunt.finding import kinds  # noqa: PLC0415  # see above
        from kalam_props.hunt.seeds import read  # noqa: PLC0415

        seed = read(self.path)
        name = f"{seed.anomaly} after {', '.join(sorted(kinds(seed.program)))}"
        yield SeedItem.from_parent(self, name=name, seed=seed)


class SeedItem(pytest.Item):
    """Replays a seed: passes when it is FIXED, is skipped when there is no evidence."""

    def __init__(self, *, seed: Seed, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]  # pytest's own
        self.seed = seed

    def runtest(self) -> None:
        from kalam_props.hunt.lab import Lab  # noqa: PLC0415  # see above
        from kalam_props.hunt.replay import replay  # noqa: PLC0415

        workspace = _workspace(self.session)
        lab = Lab(workspace, workspace.journal.parent / "histories")
        result = replay(lab, self.path, until_confident=False)
        if result.red or result.status == "ERROR":
            open_ = f" (expected to fail: {result.known_open})" if result.known_open else ""
            raise SeedError(f"{result.status}{open_}: {result.message}")
        if result.status == "FAILED":
            pytest.xfail(f"known and open: {result.known_open}")
        if result.status == "NOT-REPRODUCED":
            pytest.skip(result.message)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:  # noqa: ARG002
        return f"{excinfo.value}\nreproduce  kalam-props replay {self.path}"

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class SeedError(AssertionError):
    """A seed fails, cannot be run, or has stopped failing although it is marked as known and open."""


def _workspace(session: pytest.Session) -> Workspace:
    """One workspace for all seeds of a session, opened when the first of them is run."""
    if _WORKSPACE not in session.stash:
        import tempfile  # noqa: PLC0415  # see above

        from kalam_props.targets.opening import open_run  # noqa: PLC0415

        opened = ExitStack()
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="kalam-props-")))
        session.stash[_OPENED] = opened
        session.stash[_WORKSPACE] = opened.enter_context(open_run(target_options(session.config), folder))
    return session.stash[_WORKSPACE]

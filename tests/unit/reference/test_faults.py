"""Every fault shows itself in the smallest program for it, tells its real window, and is off by default."""

from __future__ import annotations

import pytest
from fault_programs import RESTARTING, trying
from server_process import eventually

from kalam_props.reference import FAULTS

MOST_TRIALS = 60
"""With the parameters of `sure` the rarest shows itself in two trials of five."""


def sure(name):
    """The switch that makes a fault show itself as often as it can."""
    (parameter,) = FAULTS[name].parameters
    return f"{name}:{'window=50ms' if parameter == 'window' else 'rate=1'}"


NIGHTLY = (
    "delete-race",
    "gone-between",
    "hang-at-flush",
    "hot-not-replayed",
    "notification-twice",
    "old-version-flushed",
    "refused-batch-seen",
    "sequence-collision",
    "stale-snapshot",
    "swapped-answers",
)
"""Each a second or more on a server of its own, and like another that CI tries."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.nightly) if name in NIGHTLY else name for name in FAULTS],
)
def test_a_fault_shows_itself_and_is_counted(name, tmp_path):
    """Its program sees the anomaly; the server counts hits, and for a window its real lengths."""
    with trying(sure(name), data_dir=tmp_path) as (server, attempt):
        assert any(attempt(name) for _ in range(MOST_TRIALS))
        if name == "not-durable":
            return  # the process that left the log out is the one that was killed, with its count
        report = eventually(lambda: (own := server.stats()["faults"][name])["hits"] and own, "a hit")
    if "window" in report["parameters"]:
        assert 0 < report["window_ms"]["min"] <= report["window_ms"]["max"]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    with trying(data_dir=tmp_path_factory.mktemp("healthy")) as (server, attempt):
        yield attempt
        assert server.stats()["faults"] == {}


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in RESTARTING])
def test_a_healthy_server_never_shows_it(name, healthy):
    """No fault is on unless asked for; the programs complain of nothing else."""
    assert not any(healthy(name) for _ in range(3))


@pytest.mark.parametrize("name", RESTARTING)
def test_a_healthy_restart_never_shows_it(name, tmp_path):
    """As above, for what goes wrong in a restart."""
    with trying(data_dir=tmp_path) as (_, attempt):
        assert not attempt(name)

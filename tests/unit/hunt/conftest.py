"""A workspace on the healthy reference server, for labs whose runs are not what is tested."""

from __future__ import annotations

import pytest

from kalam_props.targets.opening import TargetOptions, open_run


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """One for all tests of a module."""
    with open_run(TargetOptions(), tmp_path_factory.mktemp("run")) as opened:
        yield opened

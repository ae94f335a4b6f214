"""Runs on a reference server of their own, for the tests of a module: with every driver, or over HTTP."""

from __future__ import annotations

import pytest

from kalam_props.targets.opening import TargetOptions, open_run


@pytest.fixture(scope="module", params=["process", "session", "http"])
def workspace(request, tmp_path_factory):
    options = TargetOptions(driver=request.param)
    with open_run(options, tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


@pytest.fixture(scope="module")
def by_http(tmp_path_factory):
    with open_run(TargetOptions(driver="http"), tmp_path_factory.mktemp("http")) as opened:
        yield opened

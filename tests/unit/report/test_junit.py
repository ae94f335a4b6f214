"""Replays as JUnit XML: CI must see red where a run is red, and nothing else."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from kalam_props.hunt.replay import Replayed
from kalam_props.report.junit import junit, write_junit


def replayed(status, *, known_open=None, others=(), message="words"):
    return Replayed(
        Path("seeds/lost-row-1.json"), status, "lost-row", (1, 2), 5, message, None, known_open, others, 1.5
    )


@pytest.mark.parametrize(
    ("result", "tag"),
    [
        (replayed("FAILED"), "failure"),
        (replayed("FIXED"), "system-out"),
        (replayed("NOT-REPRODUCED"), "skipped"),
        (replayed("ERROR"), "error"),
        (replayed("FAILED", known_open="issue 12"), "system-out"),
        (replayed("FIXED", known_open="issue 12"), "failure"),
        (replayed("NOT-REPRODUCED", others=("foreign-row",)), "failure"),
    ],
)
def test_a_status_is_what_ci_takes_it_for(result, tag):
    """A known open bug may fail, and may not stop failing; no evidence is no success."""
    (suite,) = junit([result], "reference 1")
    (case,) = suite
    assert [child.tag for child in case] == [tag]
    assert suite.get("failures") == str(int(tag == "failure"))
    assert suite.get("skipped") == str(int(tag == "skipped"))
    assert case.get("name") == "lost-row-1"


def test_the_file_is_xml_whatever_a_server_said(tmp_path):
    """Control characters and markup in a message do not break the report."""
    path = tmp_path / "deep" / "junit.xml"
    write_junit([replayed("FAILED", message="<a> & \x00\x1b[31m ż")], "reference", path)
    (failure,) = ET.parse(path).getroot().iter("failure")  # noqa: S314  # our own
    assert failure.get("message").startswith("<a> & ")

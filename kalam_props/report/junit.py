"""Replays as JUnit XML: a test case a seed, in the dialect that CI systems agree on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement

from kalam_props.errors import StorageError
from kalam_props.hunt.replay import Replayed

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(results: Sequence[Replayed], target: str, path: Path) -> None:
    """Write the results. FAILED is a failure, ERROR an error, NOT-REPRODUCED a skip: it is no evidence.

    Raises:
        StorageError: the file cannot be written.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ElementTree(junit(results, target)).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from None


def junit(results: Sequence[Replayed], target: str) -> Element:
    """The root element."""
    suite = Element(
        "testsuite",
        name=f"kalam-props replay on {target}",
        tests=str(len(results)),
        failures=str(sum(result.red for result in results)),
        errors=str(sum(result.status == "ERROR" for result in results)),
        skipped=str(sum(_skipped(result) for result in results)),
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    for result in results:
        case = SubElement(
            suite,
            "testcase",
            classname="kalam-props.seeds",
            name=result.seed_file.stem,
            file=str(result.seed_file),
            time=f"{result.seconds:.3f}",
        )
        message = _NOT_XML.sub("\ufffd", result.message)
        if result.status == "ERROR":
            SubElement(case, "error", message=message)
        elif result.red:
            expected = f"expected to fail ({result.known_open}), and did not: " if result.known_open else ""
            SubElement(case, "failure", type=result.anomaly or "", message=expected + message)
        elif _skipped(result):
            SubElement(case, "skipped", message=message)
        else:
            SubElement(case, "system-out").text = f"{result.status}: {message}"
    root = Element("testsuites")
    root.append(suite)
    return root


def _skipped(result: Replayed) -> bool:
    return result.status == "NOT-REPRODUCED" and not result.red

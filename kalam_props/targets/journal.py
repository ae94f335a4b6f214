"""What a run created, noted before it is: after `kill -9` it is found again by nothing else.

One JSON object a line, in `created.jsonl` in the run's folder.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from kalam_props.errors import StorageError

JOURNAL = "created.jsonl"
TEMPORARY = "kalam-props-"
"""What the names of our temporary folders begin with."""


@frozen
class Created:
    """What a journal tells.

    Attributes:
        url: of the server; empty when no namespace was made there.
        folders: temporary ones, with the data of the server if that was started by the run.
        server_ours: the server was started by the run, and ends with it.

    """

    url: str = ""
    namespaces: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    server_ours: bool = False

    def remove_folders(self) -> list[Path]:
        """Remove the temporary folders that are still there, if they have our name; which were."""
        left = [folder for folder in self.folders if folder.name.startswith(TEMPORARY) and folder.is_dir()]
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        return left


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder for what nobody needs afterwards; removed at the end.

    Raises:
        StorageError: none can be made.

    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=TEMPORARY))
    except OSError as error:
        raise StorageError(f"no temporary folder can be made ({error.strerror}); is the disk full?") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def note(journal: Path, entry: dict[str, str | bool]) -> None:
    """Note what is about to be created.

    Raises:
        StorageError: the journal cannot be written.

    """
    try:
        with journal.open("a", encoding="utf-8") as out:
            out.write(json.dumps(entry) + "\n")
    except OSError as error:
        raise StorageError(f"{journal}: cannot be written ({error.strerror})") from None


def read_journal(path: Path) -> Created:
    """What a run noted, without the namespaces that the server refused: those were there before.

    Raises:
        StorageError: no journal there.

    """
    try:
        lines = [
            json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")
        ]
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror}); is this a run's folder?") from None
    folders = tuple(Path(line["folder"]) for line in lines if "folder" in line)
    ours = any(line.get("server_ours") for line in lines)
    first = next((line for line in lines if "namespace" in line), None)
    refused = {line["refused"] for line in lines if "refused" in line}
    if first is None or first["namespace"] in refused:
        return Created(folders=folders, server_ours=ours)
    noted = [line["namespace"] for line in lines if "namespace" in line]
    namespaces = tuple(name for name in noted if name not in refused)
    users = tuple(line["user"] for line in lines if "user" in line)
    return Created(first["url"], namespaces, users, folders, ours)

"""The README's commands exist with the options that it gives them, and its Python is Python."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from kalam_props.cli import cli

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def commands():
    for block in re.findall(r"```(?:sh|console)\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True) if "kalam-props " in line else []
            starts = [at for at, word in enumerate(words) if word.endswith("kalam-props")]
            if starts:
                yield words[starts[-1] + 1 :]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_parses(words):
    """A command in the README that the program does not know is a broken promise."""
    group = cli.make_context("kalam-props", list(words), resilient_parsing=True)
    command = cli.get_command(group, words[0])
    assert command is not None, words
    command.make_context(words[0], list(words[1:]), parent=group).close()


def test_the_readme_shows_commands():
    """The rule above must not pass because nothing was found."""
    assert len(list(commands())) >= 5


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_the_python_runs(block):
    """What a user would paste is defined without an error."""
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102  # our own README
    assert "test_my_machine" in names

"""`kalam-props`: the commands, and what an error looks like to a person.

Exit codes: 0 ran, exercised something, found nothing · 1 found an anomaly · 2 could not run ·
3 inconclusive · 130 interrupted, after cleaning up.
"""

from __future__ import annotations

import importlib
import signal
import sys

import click

from kalam_props import __version__
from kalam_props.errors import KalamPropsError

_COMMANDS = {
    "hunt": "kalam_props.commands.hunt:hunt",
    "replay": "kalam_props.commands.replay:replay",
    "soak": "kalam_props.commands.soak:soak",
    "report": "kalam_props.commands.report:report",
    "check": "kalam_props.commands.check:check",
    "scenario": "kalam_props.commands.scenario:scenario",
    "serve": "kalam_props.commands.serve:serve",
    "faults": "kalam_props.commands.faults:faults",
    "doctor": "kalam_props.commands.doctor:doctor",
    "clean": "kalam_props.commands.clean:clean",
}


class _Lazy(click.Group):
    """Imports a command when it is asked for: `faults` need not wait for Hypothesis."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # as above
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kalam-props")
def cli() -> None:
    """Property-based concurrency tests for databases with a hot and a cold tier."""


def main() -> None:
    """Run a command; every error that we foresee is one sentence and an exit code."""
    # What stops us in an orderly way (a CI job that is cancelled) must not leave servers and users behind.
    # A shell starts its background jobs with SIGINT ignored, so that is asked for too.
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, signal.default_int_handler)
    try:
        code = cli.main(standalone_mode=False)
    except KalamPropsError as error:
        click.echo(f"kalam-props: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("kalam-props: interrupted; cleaned up", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()

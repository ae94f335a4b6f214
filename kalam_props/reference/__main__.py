"""`python -m kalam_props.reference`: the server as a process."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kalam_props.errors import KalamPropsError, UsageError
from kalam_props.reference import run_server
from kalam_props.reference.config import PASSWORD_VARIABLES, ServerConfig, root_password_from_environment
from kalam_props.reference.fault_options import parse_fault


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 after an orderly stop, 2 when it could not run."""
    options = _parser().parse_args(arguments)
    try:
        run_server(
            ServerConfig(
                port=options.port,
                data_dir=options.data_dir,
                flush_check_interval=options.flush_check_interval,
                default_query_limit=options.default_query_limit,
                max_query_limit=options.max_query_limit,
                max_queries_per_sec=options.max_queries_per_sec,
                root_password=root_password_from_environment(),
                faults=tuple(parse_fault(text) for text in options.fault),
                exit_with_stdin=options.exit_with_stdin,
            )
        )
    except ImportError as error:
        if (error.name or "").startswith("kalam_props"):
            raise  # a broken installation of ours, not a missing extra
        missing = UsageError(f"the reference server needs {error.name}: pip install 'kalam-props[reference]'")
        print(f"Error: {missing}", file=sys.stderr)
        return missing.exit_code
    except KalamPropsError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m kalam_props.reference",
        description="The kalam_props reference server, on 127.0.0.1. Root's password: environment "
        + " or ".join(PASSWORD_VARIABLES),
    )
    defaults = ServerConfig()
    parser.add_argument("--port", type=int, default=defaults.port, help="0: a free one")
    parser.add_argument("--data-dir", type=Path, help="default: a temporary folder, removed at exit")
    parser.add_argument("--flush-check-interval", type=float, default=defaults.flush_check_interval)
    parser.add_argument("--default-query-limit", type=int, default=defaults.default_query_limit)
    parser.add_argument("--max-query-limit", type=int, default=defaults.max_query_limit)
    parser.add_argument("--max-queries-per-sec", type=int, default=defaults.max_queries_per_sec)
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[:k=v,…]")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input ends")
    return parser


if __name__ == "__main__":
    sys.exit(main())

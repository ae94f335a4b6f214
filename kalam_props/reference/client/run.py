"""One run of the client: who, where, what to do; its exit code."""

import sys

from . import address, arguments, settings
from .arguments import Options
from .calls import Server
from .failures import ClientError, UsageError
from .formats import FORMATS
from .output import say, say_error


def main() -> None:
    """Run with the arguments of the process, and end it."""
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # whoever read our answer has gone
        code = 1
    _leave(code)


def run(argv: list[str]) -> int:
    """The exit code of a run with these arguments."""
    try:
        options = arguments.parse(argv)
        if options.has("--help"):
            say(arguments.HELP)
        elif options.has("--version"):
            from . import version  # noqa: PLC0415  # a statement has no use for it

            say(version.describe() + "\n")
        else:
            _work(options)
    except UsageError as error:
        say_error(str(error))
        return 2
    except ClientError as error:
        say_error(f"Error: {error}\n")
        return 1
    return 0


def _work(options: Options) -> None:
    server = _server(options)
    try:
        user = _authenticate(server, options)
        if options.has("--subscribe"):
            from .subscribe import follow  # noqa: PLC0415  # needs a WebSocket library

            server.probe()
            follow(server, options)
            return
        server.probe()
        health = server.health()
        command, file = options.text("--command"), options.text("--file")
        if command is not None and file is not None:
            raise ClientError("Configuration error: Cannot specify both --file and --command")
        if file is not None:
            _run_file(server, file, options.format)
        elif command is not None:
            _run_command(server, command, options.format)
        else:
            from . import repl  # noqa: PLC0415  # a single statement has no use for it

            repl.serve(server, user, health, options.format)
    finally:
        server.close()


def _server(options: Options) -> Server:
    url, host = options.text("--url"), options.text("--host")
    if url is None:
        url = f"http://{host}:{options.number('--port', 3000)}" if host is not None else address.DEFAULT_URL
    name, port, prefix = address.of_url(url)
    return Server(
        name,
        port,
        prefix,
        connect_timeout=options.number("--connection-timeout", 10),
        receive_timeout=options.number("--receive-timeout", 30),
    )


def _authenticate(server: Server, options: Options) -> str:
    """Give the server a token; the name to greet."""
    token, user, config = options.text("--token"), options.text("--user"), options.text("--config")
    if token is None and config is not None:
        token = settings.token_in(config)
    if token is not None:
        server.token = token
        return "jwt-user"
    if user is not None:
        server.log_in(user, options.text("--password") or "")
        return user
    if not _is_local(server.host):
        raise ClientError(
            "Configuration error: No authentication credentials available. Use --user and --password, "
            "or run interactively."
        )
    try:
        server.log_in("root", "")  # a server without a root password lets a local client in
    except ClientError:
        return "anonymous"
    return "root"


def _is_local(host: str) -> bool:
    return host.lower() == "localhost" or host == "::1" or host.startswith("127.")


def _run_command(server: Server, command: str, format_name: str) -> None:
    sql = command.strip()
    if not sql:
        raise ClientError("Parse error: Empty command")
    if sql.startswith("\\"):
        raise ClientError(f"Parse error: {sql.split()[0]} is not offered by {arguments.NAME}")
    say(FORMATS[format_name](server.execute(sql)) + "\n")


def _run_file(server: Server, path: str, format_name: str) -> None:
    """One request a statement; the first refusal ends it, answers before it stay printed."""
    from . import statements  # noqa: PLC0415  # a single statement has no use for it

    try:
        with open(path, "rb") as file:  # noqa: PTH123  # pathlib is slow to import
            text = file.read().decode()
    except OSError as error:
        raise ClientError(
            f"File error: Failed to read {path}: {error.strerror} (os error {error.errno})"
        ) from None
    except UnicodeDecodeError:
        raise ClientError(f"File error: Failed to read {path}: stream did not contain valid UTF-8") from None
    for statement in statements.split(text):
        say(FORMATS[format_name](server.execute(statement)) + "\n")


def _leave(code: int) -> None:
    """End at once: taking the interpreter down in order costs 2 ms, and everything is flushed."""
    from posix import _exit  # noqa: PLC0415

    _exit(code)

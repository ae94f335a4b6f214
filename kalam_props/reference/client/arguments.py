"""The command line: flags of `kalam` that concern statements and subscriptions, and its words for bad ones.

By hand, because `argparse` costs more to import than the rest of a run.
"""

from .failures import UsageError

NAME = "kalam-compat"

HELP = f"""\
{NAME}: a client with the interface of KalamDB's `kalam`, by the kalam_props project

Usage: {NAME} [OPTIONS]

Options:
  -u, --url <URL>                      Server URL (e.g., http://localhost:8080)
  -H, --host <HOST>                    Host address (alternative to URL)
  -p, --port <PORT>                    Port number [default: 3000]
      --token <TOKEN>                  JWT authentication token
      --user <USER>                    User to log in as (--username is accepted too)
      --password [<PASSWORD>]          Password to log in with
      --config <CONFIG>                Configuration file; [auth] jwt_token is read from it
  -c, --command <COMMAND>              Execute SQL command and exit
  -f, --file <FILE>                    Execute SQL from file and exit
      --format <FORMAT>                Output format [default: table] [possible values: table, json, csv]
      --json                           JSON output (shorthand for --format=json)
      --csv                            CSV output (shorthand for --format=csv)
      --no-color                       Accepted; there is no colored output
      --no-spinner                     Accepted; there are no spinners
      --timeout <SECONDS>              Accepted; --receive-timeout bounds a request
      --connection-timeout <SECONDS>   Connection timeout [default: 10]
      --receive-timeout <SECONDS>      Time for one answer [default: 30]
      --subscribe <SUBSCRIBE>          Subscribe to a table or live query
      --subscription-timeout <SECONDS> End a subscription after so long (0: never) [default: 0]
      --initial-data-timeout <SECONDS> Time for the first rows of a subscription (0: any) [default: 30]
  -h, --help                           Print help
  -V, --version                        Print version
"""

_SHORT = {
    "-u": "--url", "-H": "--host", "-p": "--port", "-f": "--file", "-c": "--command", "-v": "--verbose",
    "-h": "--help", "-V": "--version",
}  # fmt: skip
_SWITCHES = {
    "--json", "--csv", "--no-color", "--no-spinner", "--verbose", "--help", "--version", "--fast-timeouts",
    "--relaxed-timeouts", "--save-credentials",
}  # fmt: skip
_VALUES = {
    "--url": "URL", "--host": "HOST", "--port": "PORT", "--token": "TOKEN", "--user": "USER",
    "--password": "PASSWORD", "--instance": "INSTANCE", "--file": "FILE", "--command": "COMMAND",
    "--format": "FORMAT", "--loading-threshold-ms": "LOADING_THRESHOLD_MS", "--config": "CONFIG",
    "--timeout": "SECONDS", "--connection-timeout": "SECONDS", "--receive-timeout": "SECONDS",
    "--auth-timeout": "SECONDS", "--subscribe": "SUBSCRIBE", "--subscription-timeout": "SECONDS",
    "--initial-data-timeout": "SECONDS",
}  # fmt: skip
_NUMBERS = {name for name, value in _VALUES.items() if value in ("SECONDS", "PORT", "LOADING_THRESHOLD_MS")}
_FORMATS = ("table", "json", "csv")


class Options:
    """What was asked for."""

    __slots__ = ("_given",)

    def __init__(self, given: dict[str, str]) -> None:
        self._given = given

    def text(self, name: str) -> str | None:
        return self._given.get(name)

    def number(self, name: str, default: int) -> int:
        return int(self._given.get(name, default))

    def has(self, name: str) -> bool:
        return name in self._given

    @property
    def format(self) -> str:
        if self.has("--json"):
            return "json"
        return "csv" if self.has("--csv") else self._given.get("--format", "table")


def parse(arguments: list[str]) -> Options:
    """The options in `arguments`.

    Raises:
        UsageError: with the text for standard error.

    """
    given: dict[str, str] = {}
    rest = list(reversed(arguments))
    while rest:
        name, value = _split(rest.pop())
        if name in _SWITCHES:
            if value is not None:
                raise _usage(
                    f"unexpected value '{value}' for '{name}' found; no more were expected", f" {name}"
                )
            value = ""
        elif value is None:
            # A value may not look like a flag: SQL that begins with a comment needs `--command=…`.
            if rest and not (rest[-1].startswith("-") and rest[-1] != "-"):
                value = rest.pop()
            elif name == "--password":
                value = ""
            else:
                raise _missing_value(name, rest)
        if name in given:
            raise _usage(f"the argument '{_shown(name)}' cannot be used multiple times", " [OPTIONS]")
        given[name] = value
        _check(name, value)
    for shorthand in ("--json", "--csv"):
        if shorthand in given and "--format" in given:
            raise _usage(
                f"the argument '{shorthand}' cannot be used with '--format <FORMAT>'", f" {shorthand}"
            )
    return Options(given)


def _split(argument: str) -> tuple[str, str | None]:
    """The long name of a flag and the value attached to it."""
    value: str | None
    if argument.startswith("--"):
        name, equals, value = argument.partition("=")
        value = value if equals else None
    else:
        name, value = _SHORT.get(argument[:2], argument), argument[2:] or None
        if value is not None and value.startswith("="):
            value = value[1:]
    name = "--user" if name == "--username" else name
    if name not in _SWITCHES and name not in _VALUES:
        raise _usage(f"unexpected argument '{argument}' found", " [OPTIONS]")
    return name, value


def _check(name: str, value: str) -> None:
    if name in _NUMBERS and not (value.isascii() and value.isdigit()):
        raise _usage(f"invalid value '{value}' for '{_shown(name)}': invalid digit found in string", None)
    if name == "--format" and value not in _FORMATS:
        raise _usage(
            f"invalid value '{value}' for '--format <FORMAT>'\n  [possible values: {', '.join(_FORMATS)}]",
            None,
        )


def _missing_value(name: str, rest: list[str]) -> UsageError:
    if rest:
        return _usage(f"unexpected argument '{rest[-1]}' found", " [OPTIONS]")
    return _usage(f"a value is required for '{_shown(name)}' but none was supplied", None)


def _shown(name: str) -> str:
    return name if name in _SWITCHES else f"{name} <{_VALUES[name]}>"


def _usage(message: str, usage: str | None) -> UsageError:
    line = "" if usage is None else f"Usage: kalam{usage}\n\n"
    return UsageError(f"error: {message}\n\n{line}For more information, try '--help'.\n")

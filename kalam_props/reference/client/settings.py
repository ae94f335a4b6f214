"""The one setting that is read from a configuration file: a token, so that it need not be an argument.

Only from a file that was named with `--config`: the default one may hold the credentials of a real `kalam`.
"""

from .failures import ClientError

_OURS = ["", "[server]", "max_retries = 0", ""]


def token_in(path: str) -> str | None:
    """`[auth] jwt_token` of the TOML file `path`; None when it has none or there is no such file.

    Raises:
        ClientError: not a TOML file.

    """
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  # pathlib is slow to import
            text = file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ClientError(f"Configuration error: Failed to read config file: {error}") from None
    lines = text.split("\n")
    # What our drivers write. Anything else goes to the real parser, which takes 10 ms to import.
    if (
        lines[0] == "[auth]"
        and lines[2:] == _OURS
        and lines[1].startswith('jwt_token = "')
        and "\\" not in text
    ):
        return lines[1].partition('"')[2].removesuffix('"')
    import tomllib  # noqa: PLC0415

    try:
        auth = tomllib.loads(text).get("auth", {})
    except tomllib.TOMLDecodeError as error:
        raise ClientError(f"Configuration error: TOML parse error: {error}") from None
    token = auth.get("jwt_token") if isinstance(auth, dict) else None
    return token if isinstance(token, str) else None

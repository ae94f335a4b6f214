"""The one setting that is read from a configuration file: a token, so that it need not be an argument.

Only from a file that was named with `--config`: the default one may hold the credentials of a real `kalam`.
"""

from .failures import ClientError

_BARE = "[server]\nmax_retries = 0\n"
_HEAD = '[auth]\njwt_token = "'
_TAIL = '"\n\n' + _BARE


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
    # What our drivers write. Anything else goes to the real parser, which takes 10 ms to import.
    if text == _BARE:
        return None
    token = text.removeprefix(_HEAD).removesuffix(_TAIL)
    if len(text) - len(token) == len(_HEAD + _TAIL) and not set(token) & set('"\\\n'):
        return token
    import tomllib  # noqa: PLC0415

    try:
        auth = tomllib.loads(text).get("auth", {})
    except tomllib.TOMLDecodeError as error:
        raise ClientError(f"Configuration error: TOML parse error: {error}") from None
    found = auth.get("jwt_token") if isinstance(auth, dict) else None
    return found if isinstance(found, str) else None

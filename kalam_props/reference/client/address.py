"""The address of the server, from a URL or from host and port."""

from .failures import ClientError

DEFAULT_URL = "http://localhost:8080"


def of_url(url: str) -> tuple[str, int, str]:
    """Host, port and path prefix.

    Raises:
        ClientError: not an http URL without user, query and fragment.

    """
    url = url.strip()
    if not url:
        raise ClientError("Configuration error: Server URL must not be empty")
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "http", url
    if scheme == "https":
        raise ClientError(
            "Configuration error: this client speaks http only; for https use KalamDB's own kalam"
        )
    if scheme != "http":
        raise ClientError(f"Configuration error: Unsupported URL scheme '{scheme}'; expected http or https")
    if "?" in rest or "#" in rest:
        raise ClientError("Configuration error: Server URL must not include query parameters or fragments")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        raise ClientError(
            "Configuration error: Server URL must not include embedded user/password credentials"
        )
    host, port = _host_and_port(authority, url)
    return host, port, (slash + path).rstrip("/")


def _host_and_port(authority: str, url: str) -> tuple[str, int]:
    if authority.startswith("["):
        host, _, tail = authority[1:].partition("]")
        port = tail.removeprefix(":")
    else:
        host, _, port = authority.partition(":")
    if not host:
        raise ClientError("Configuration error: Server URL must include a host")
    if port and not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ClientError(f"Configuration error: Invalid server URL '{url}': invalid port number")
    return host, int(port or 80)

"""What can go wrong, in the words that `kalam` uses. Everything here is printed on standard error."""


class UsageError(Exception):
    """Arguments that make no sense: exit code 2."""


class ClientError(Exception):
    """Anything else: exit code 1, after `Error: `."""


class ServerRefusedError(ClientError):
    """The server answered with an error status."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"Server error ({status}): {words}")
        self.status = status


def unreachable(base: str, path: str) -> ClientError:
    """The text for a request that was never sent: its readers know it by `Possible issues`."""
    return ClientError(
        f"error sending request for url ({base}{path})\n\n"
        "Possible issues:\n"
        f"  • Server is not running on {base}\n"
        "  • URL/port is incorrect\n"
        "  • Network connectivity issue\n\n"
        "Try:\n"
        f"  • Check if server is running: curl {base}/v1/api/healthcheck\n"
        "  • Verify the server URL with --url (example: http://127.0.0.1:8080)"
    )


def unanswered(base: str, path: str) -> ClientError:
    """The text for a request whose outcome is open."""
    return ClientError(f"error sending request for url ({base}{path})")


def undecodable() -> ClientError:
    """The text for an answer that broke off, or is none."""
    return ClientError("error decoding response body")

"""Programs that pretend to be a `kalamdb-server`: scripts that do what a test says."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

HEALTHY = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = BODY
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
port = next(int(line.split("=")[1]) for line in open(sys.argv[1]) if line.startswith("port"))
print("listening", os.getpid(), flush=True)
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def shell_server(folder: Path, body: str) -> Path:
    """A server that is the shell text `body`; `$1` is its configuration file."""
    return _program(folder, f"#!/bin/sh\n{body}\n")


def answering_server(folder: Path, health: bytes = b'{"status": "healthy", "version": "9.9.9"}') -> Path:
    """A server that answers every GET with `health`, and can do nothing else."""
    return _program(folder, f"#!{sys.executable}\n{HEALTHY.replace('BODY', repr(health))}")


def _program(folder: Path, text: str) -> Path:
    path = folder / "kalamdb-server"
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path

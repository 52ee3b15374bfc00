"""A health page on loopback for the hospital's own monitoring: one JSON record, nothing of any study's content.

Its status is 200 while all is well, and 503 while the hospital cannot answer: `hub` and `fault` say why.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gagyo.errors import FileFault


@contextmanager
def health_page(port: int, tell: Callable[[], dict[str, Any]]) -> Iterator[int]:
    """Serve `tell()` as JSON at http://127.0.0.1:port/health (0: a free port); gives the port.

    Raises:
        FileFault: `port_in_use`.
    """

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer."""
            found = self.path == "/health"
            told = tell() if found else {"found": self.path, "expected": "/health"}
            body = json.dumps(told).encode()
            self.send_response(404 if not found else 200 if told["ok"] else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the service has its own log."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Page)
    except OSError:
        raise FileFault.of("port_in_use", found=port) from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()

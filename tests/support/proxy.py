"""A network between a device and its centre that can be told to fail: a real TCP relay on loopback."""

import contextlib
import socket
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

CHUNK = 65_536


@dataclass
class Trouble:
    """What goes wrong. Counts are bytes of one connection; None is "never".

    Attributes:
        cut_request_after: The connection ends after so many bytes went to the centre.
        cut_answer_after: It ends after so many bytes came back; the centre did its work.
        to: Bytes of answers count only from the request on that has this in it.
        answer: Instead of the centre, these bytes answer every request.
        is_down: Nobody listens behind the relay.
    """

    cut_request_after: int | None = None
    cut_answer_after: int | None = None
    to: bytes = b""
    answer: bytes | None = None
    is_down: bool = False


class Network:
    """Relays connections to the centre. `trouble` may be changed at any time; open connections feel it at once."""

    def __init__(self, centre_url: str) -> None:
        parts = urlsplit(centre_url)
        assert parts.hostname
        assert parts.port
        self._centre = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.trouble = Trouble()
        self.n_connections = 0
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        self._thread.join()

    def drop(self) -> None:
        """End every open connection."""
        for connection in tuple(self._open):
            _end(connection)

    def _serve(self) -> None:
        while True:
            try:
                device, _ = self._listener.accept()
            except OSError:
                return
            self.n_connections += 1
            threading.Thread(target=self._relay, args=(device,), daemon=True).start()

    def _relay(self, device: socket.socket) -> None:
        self._open.add(device)
        trouble = self.trouble
        if trouble.is_down:
            _end(device)
            return
        if trouble.answer is not None:
            device.recv(CHUNK)
            device.sendall(trouble.answer)
            _end(device)
            return
        try:
            centre = socket.create_connection(self._centre, timeout=5)
        except OSError:
            _end(device)
            return
        self._open.add(centre)
        asked = threading.Event()
        back = threading.Thread(
            target=self._pump, args=(centre, device, "cut_answer_after", asked)
        )
        back.start()
        self._pump(device, centre, "cut_request_after", asked)
        back.join()

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        limit_name: str,
        asked: threading.Event,
    ) -> None:
        is_back = limit_name == "cut_answer_after"
        n_passed = 0
        try:
            while chunk := source.recv(CHUNK):
                limit: int | None = getattr(self.trouble, limit_name)
                if not is_back and self.trouble.to in chunk:
                    asked.set()
                if is_back and not asked.is_set():
                    limit = None
                    n_passed -= len(chunk)
                if limit is not None:
                    chunk = chunk[: max(0, limit - n_passed)]
                n_passed += len(chunk)
                sink.sendall(chunk)
                if limit is not None and n_passed >= limit:
                    break
        except OSError:
            pass
        for end in (source, sink):
            _end(end)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()

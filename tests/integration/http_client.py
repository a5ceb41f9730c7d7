"""Clusters that serve HTTP, and raw sockets to them."""

import contextlib
import hashlib
import json
import pathlib
import re
import socket

from cluster import PATIENCE_S, Cluster, wait_until

KEY = "a key that only tests have"


def key_file(folder):
    path = pathlib.Path(folder) / "keys"
    path.write_text(f"tests:{hashlib.sha256(KEY.encode()).hexdigest()}\n")
    return path


@contextlib.contextmanager
def http_cluster(model, workers, flags=(), **options):
    """A Cluster whose `http` is HOST:PORT."""
    with Cluster(model, workers, ["--http=127.0.0.1:0", *flags], **options) as cluster:
        cluster.http = wait_until(
            lambda: re.search(r'HTTP at http://([\w.:]+)["\n]', cluster.coordinator.log()), "HTTP is served"
        )[1]
        yield cluster


def connect(cluster):
    host, port = cluster.http.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def request_bytes(method, path, body=None, headers=()):
    """`body` is JSON unless it is bytes."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def read_head(stream):
    """The status and the header fields, with names in lower case."""
    status = int(stream.readline().split()[1])
    headers = {}
    while (line := stream.readline().strip()):
        name, value = line.decode().split(":", 1)
        headers[name.lower()] = value.strip()
    return status, headers


def ask(cluster, method, path, body=None, headers=()):
    """The status and the body, as JSON where it is that."""
    with connect(cluster) as peer, peer.makefile("rb") as stream:
        with contextlib.suppress(ConnectionError):  # it may have answered without reading all
            peer.sendall(request_bytes(method, path, body, headers))
        status, fields = read_head(stream)
        answer = stream.read(int(fields["content-length"]))
    return status, json.loads(answer) if fields["content-type"] == "application/json" else answer

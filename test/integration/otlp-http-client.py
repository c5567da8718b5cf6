# SPDX-License-Identifier: Apache-2.0
"""Posts OTLP profiles as other makers' programs do: otlp-http-client.py URL FILE

Parses FILE with Google's protobuf, posts what that makes of it in every encoding and in ways that a
server must refuse, and prints {"case": "status ..."} as JSON.
"""

import gzip
import http.client
import json
import sys
import urllib.parse
import zlib

import cramjam
import zstandard
from google.protobuf import json_format
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2 as messages

PROTOBUF = "application/x-protobuf"
ENCODINGS = {
    "identity": lambda data: data,
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "snappy": lambda data: bytes(cramjam.snappy.compress_raw(data)),
    "x-snappy-framed": lambda data: bytes(cramjam.snappy.compress(data)),
    "lz4": lambda data: bytes(cramjam.lz4.compress(data)),
}


def bomb(encode):
    """Zeros that become 32 MiB: more than the server's limit, in fewer bytes."""
    return encode(bytes(32 * 1024 * 1024))


class Client:
    def __init__(self, url):
        self.url = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(self.url.netloc, timeout=10)

    def post(self, body, **headers):
        """The status, and whether the connection can be used again."""
        named = {"content-type": PROTOBUF, **{k.replace("_", "-"): v for k, v in headers.items()}}
        self.connection.request("POST", self.url.path, body, named)
        reply = self.connection.getresponse()
        answer = reply.read()
        message = messages.ExportProfilesServiceResponse()
        if reply.status == 200 and reply.getheader("content-type") == PROTOBUF:
            message.ParseFromString(answer)
        if reply.status == 200 and message.HasField("partial_success"):
            return "partial success"
        return f"{reply.status} {'closes' if reply.will_close else 'stays open'}"

    def raw(self, head, body):
        """Writes a request as it stands and ends the sending side; the status line."""
        self.connection.close()
        self.connection.connect()
        host = f"{head}\r\nhost: {self.url.netloc}\r\ncontent-type: {PROTOBUF}"
        self.connection.sock.sendall(host.encode() + b"\r\n\r\n" + body)
        self.connection.sock.shutdown(1)
        lines = self.connection.sock.makefile("rb").read().split(b"\r\n")
        self.connection.close()
        return lines[0].decode() or "no answer"


def main():
    url, path = sys.argv[1:]
    with open(path, "rb") as file:
        request = messages.ExportProfilesServiceRequest.FromString(file.read())
    plain = request.SerializeToString()
    client = Client(url)
    post_line = f"POST {client.url.path} HTTP/1.1"
    seen = {}
    for name, encode in ENCODINGS.items():
        seen[name] = client.post(encode(plain), content_encoding=name)
    seen["json"] = client.post(json_format.MessageToJson(request), content_type="application/json")
    # An iterator has no length, so http.client sends it in chunks.
    seen["chunked"] = client.post(iter([plain[:10], plain[10:]]), content_encoding="identity")
    for name in ("gzip", "zstd", "lz4", "x-snappy-framed"):
        seen[f"bomb {name}"] = client.post(bomb(ENCODINGS[name]), content_encoding=name)
    seen["other encoding"] = client.post(ENCODINGS["zstd"](plain), content_encoding="gzip")
    seen["unknown encoding"] = client.post(plain, content_encoding="br")
    seen["after refusals"] = client.post(plain)
    seen["length too large"] = client.raw(f"{post_line}\r\ncontent-length: {len(plain) + 1}", plain)
    seen["length too small"] = client.raw(f"{post_line}\r\ncontent-length: {len(plain) - 1}", plain)
    seen["two lengths"] = client.raw(f"{post_line}\r\ncontent-length: 1\r\ncontent-length: 2", plain)
    seen["no such length"] = client.raw(f"{post_line}\r\ncontent-length: -1", plain)
    seen["announced 1 GiB"] = client.raw(f"{post_line}\r\ncontent-length: {2**30}", b"")
    seen["chunk cut short"] = client.raw(f"{post_line}\r\ntransfer-encoding: chunked", b"ff\r\nab")
    seen["at the end"] = client.post(plain)
    print(json.dumps(seen))


main()

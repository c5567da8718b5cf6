# SPDX-License-Identifier: Apache-2.0
"""An OTLP profiles server over HTTP: otlp-http-sink.py PORT

Prints {"port": n}, then one JSON line for each request: path, headers, resource attributes and stacks with
their values, as foreign decompressors and Google's protobuf read them. The first part of the path asks for
an answer: /partial for a partial success, /busy for 503 with Retry-After, /bad for 400.
"""

import gzip
import http.server
import json
import sys
import threading
import zlib

import cramjam
import zstandard
from google.protobuf import json_format
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2 as messages

from otlp_text import record

LOCK = threading.Lock()
READ = {
    "identity": lambda data: data,
    "gzip": gzip.decompress,
    "zlib": zlib.decompress,
    "deflate": zlib.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompress(data),
    "snappy": lambda data: bytes(cramjam.snappy.decompress_raw(data)),
    "x-snappy-framed": lambda data: bytes(cramjam.snappy.decompress(data)),
    "lz4": lambda data: bytes(cramjam.lz4.decompress(data)),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        data = READ[self.headers.get("content-encoding", "identity")](body)
        is_json = self.headers["content-type"] == "application/json"
        request = messages.ExportProfilesServiceRequest()
        if is_json:
            json_format.Parse(data, request)
        else:
            request.ParseFromString(data)
        metadata = {"path": self.path, **{k.lower(): v for k, v in self.headers.items()}}
        line = json.dumps(record(request, metadata))
        # One write for a line and its end: requests are answered by several threads.
        with LOCK:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        self.answer(self.path.split("/")[1], is_json)

    def answer(self, wish, is_json):
        if wish == "busy":
            return self.reply(503, "text/plain", b"come back", {"retry-after": "7"})
        if wish == "bad":
            return self.reply(400, "application/json", b'{"code": 3, "message": "bad profile"}')
        response = messages.ExportProfilesServiceResponse()
        if wish == "partial":
            response.partial_success.rejected_profiles = 2
            response.partial_success.error_message = "too old"
        if is_json:
            return self.reply(200, "application/json", json_format.MessageToJson(response).encode())
        return self.reply(200, "application/x-protobuf", response.SerializeToString())

    def reply(self, status, content_type, body, headers=None):
        self.send_response(status)
        for name, value in {"content-type": content_type, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    server.serve_forever()


main()

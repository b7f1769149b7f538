"""A model server of the standard library, for tests of endpoints. It answers the model's version.

The model's rules.json says which version it is and how it misbehaves: "fail_every" n requests with a 500,
"sleep" seconds before each answer, "wait_for" a file before it, "die_at" the n-th request, "crash" at the
start.
"""

import itertools
import json
import os
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

RULES = json.loads(Path(os.environ["SM_MODEL_DIR"], "rules.json").read_text())
NUMBERS = itertools.count(1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "client"

    def answer(self, status, body=""):
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        self.answer(200)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        number = next(NUMBERS)
        time.sleep(RULES.get("sleep", 0))
        while "wait_for" in RULES and not Path(RULES["wait_for"]).exists():
            time.sleep(0.01)
        if number == RULES.get("die_at"):
            os._exit(1)
        failed = number % RULES.get("fail_every", number + 1) == 0
        self.answer(500 if failed else 200, json.dumps({"version": RULES["version"]}))


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = False  # server_close waits for the requests that it has
    request_queue_size = 128


if RULES.get("crash"):
    sys.exit("weights are missing")
Server(os.environ["SERVING_SOCKET"], Handler).serve_forever()

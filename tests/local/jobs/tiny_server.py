"""A model server of the standard library, for tests. The model's rules.json decides what it does.

"answer" names a function below; "word" with "status", "once" and "die" make it misbehave at some records.
"""

import json
import os
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

MODEL = Path(os.environ["SM_MODEL_DIR"])
RULES = json.loads((MODEL / "rules.json").read_text())
FAILED_ONCE: set[str] = set()


def lengths(line):
    """A JSON record's length, as JSON."""
    return json.dumps({"length": len(json.loads(line))})


def echo(line):
    return line


def environment(line):
    return json.dumps(
        {name: value for name, value in os.environ.items() if name.startswith(("SAGEMAKER", "MINE"))}
    )


def csv_sum(line):
    return str(sum(float(cell) for cell in line.split(",")))


def one_missing(line):
    return "" if "missing" in line else line


ANSWER = globals()[RULES.get("answer", "echo")]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "client"

    def answer(self, status, body="", content_type="application/json"):
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", content_type)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        if self.path == "/ping":
            time.sleep(RULES.get("ping_sleep", 0))
            self.answer(RULES.get("ping", 200))
        elif "execution_parameters" in RULES:
            self.answer(200, json.dumps(RULES["execution_parameters"]))
        else:
            self.answer(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        time.sleep(RULES.get("sleep", 0))
        if RULES.get("die") and RULES["die"] in body:
            print("out of memory", file=sys.stderr, flush=True)
            os._exit(1)
        if RULES.get("once") and RULES["once"] in body and body not in FAILED_ONCE:
            FAILED_ONCE.add(body)
            return self.answer(503, "busy")
        if RULES.get("word") and RULES["word"] in body:
            return self.answer(RULES["status"], "no review in it")
        headers = self.headers["Content-Type"], self.headers["Accept"]
        # in one write: an image may unbuffer stdout, and print's several would mix with those to stderr
        sys.stdout.write(f"request {len(body.splitlines())} {headers[0]} {headers[1]}\n")
        sys.stdout.flush()
        lines = [ANSWER(line) for line in body.split("\n")]
        return self.answer(200, "\n".join(line for line in lines if line) + RULES.get("end", ""))


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


if RULES.get("crash"):
    sys.exit("weights are missing")
time.sleep(RULES.get("start", 0))
Server(os.environ["SERVING_SOCKET"], Handler).serve_forever()

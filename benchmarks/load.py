"""A load generator for the model server, in a process of its own. Plain sockets: a client library would cost
more than the server does.

python -m benchmarks.load PORT --seconds S (--clients N | --rate R) [--reviews K]

With --clients each of N connections asks again as soon as it has its answer; with --rate requests are sent
at R a second, whether answers come or not. A request holds one review as text, or K as JSON Lines. Prints one
JSON object: answers by status, answers a second, and the latencies of those with status 200, in milliseconds.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REVIEWS = 2000
CONNECTIONS = 800  # at most, of --rate


def requests(each: int) -> list[bytes]:
    """Real reviews as HTTP requests."""
    sys.path.insert(0, str(ROOT / "tests"))
    from shared import imdb_rows

    texts = [row["text"] for row in imdb_rows(REVIEWS)]
    random.Random(1).shuffle(texts)
    found = []
    for start in range(0, len(texts) - each + 1, each):
        chosen = texts[start : start + each]
        lines = "".join(json.dumps({"review": text}) + "\n" for text in chosen)
        body, kind = (chosen[0], "text/plain") if each == 1 else (lines, "application/jsonlines")
        content = body.encode()
        head = f"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Type: {kind}\r\n"
        found.append(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    return found


class Load:
    def __init__(self, port: int, seconds: float, reviews: int) -> None:
        self.port, self.seconds = port, seconds
        self.requests = requests(reviews)
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.reconnected = 0
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, number: int) -> None:
        began = time.perf_counter()
        while True:
            reused = bool(self.idle)
            try:
                connection = (
                    self.idle.pop() if reused else await asyncio.open_connection("127.0.0.1", self.port)
                )
                status, stays = await self._exchange(*connection, self.requests[number % len(self.requests)])
                break
            except (OSError, asyncio.IncompleteReadError):
                if not reused:
                    self.statuses["no answer"] += 1
                    return
                self.reconnected += 1  # the server closes a connection that was idle for a while
        self.statuses[status] += 1
        if status == "200":
            self.latencies.append((time.perf_counter() - began) * 1000)
        if stays:
            self.idle.append(connection)
        else:
            connection[1].close()

    @staticmethod
    async def _exchange(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> tuple[str, bool]:
        """(status, whether the connection stays)"""
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        return head[9:12].decode(), b"connection: close" not in head

    async def closed(self, clients: int) -> None:
        end = time.perf_counter() + self.seconds

        async def client(number: int) -> None:
            while time.perf_counter() < end:
                await self.ask(number)
                number += 37

        await asyncio.gather(*(client(number * 101) for number in range(clients)))

    async def open(self, rate: float) -> None:
        began, asked = time.perf_counter(), 0
        waiting: set[asyncio.Task[None]] = set()
        while (now := time.perf_counter() - began) < self.seconds:
            while asked < now * rate and len(waiting) < CONNECTIONS:
                task = asyncio.create_task(self.ask(asked))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
                asked += 1
            await asyncio.sleep(0.002)
        await asyncio.gather(*waiting)

    def result(self, seconds: float) -> dict[str, object]:
        cuts = statistics.quantiles(self.latencies, n=100) if len(self.latencies) > 1 else [0.0] * 99
        return {
            "statuses": dict(sorted(self.statuses.items())),
            "reconnected": self.reconnected,
            "per_second": self.statuses.total() / seconds,
            "p50_ms": cuts[49],
            "p99_ms": cuts[98],
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--reviews", type=int, default=1)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--clients", type=int)
    how.add_argument("--rate", type=float)
    args = parser.parse_args()
    load = Load(args.port, args.seconds, args.reviews)
    began = time.perf_counter()
    asyncio.run(load.closed(args.clients) if args.clients else load.open(args.rate))
    print(json.dumps(load.result(time.perf_counter() - began)))


if __name__ == "__main__":
    main()

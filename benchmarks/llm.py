"""How much faster many requests in flight are than one after the other, and what memory they take.

Usage: python benchmarks/llm.py [--requests 1000] [--concurrency 64]. The test server, in a process
of its own, answers each request after 200 to 800 ms, drawn evenly; a fresh process asks, with the
ledger on disk. Sequential time is the sum of the server's latencies: what one request after the
other would take at the least. A bound of the ratio is the concurrency.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LATENCY = ("0.2", "0.8")  # seconds
ANSWER = json.dumps({"reply": "听起来这段时间你很不容易。" * 80}, ensure_ascii=False)  # about 3 kB
ASK = """
import resource, sys, time
from pathlib import Path
from pydantic import BaseModel
from mi_llm.llm import Answer, Endpoint, Request, ask_all

class Reply(BaseModel):
    reply: str

base_url, ledger, count, concurrency = sys.argv[1:]
requests = (
    Request(f"r{n}", ({"role": "user", "content": f"{n} " + "我想戒烟。" * 300},), schema=Reply)
    for n in range(int(count))
)
endpoint = Endpoint(base_url, "bench", concurrency=int(concurrency))
start = time.monotonic()
results = ask_all(requests, endpoint, Path(ledger), progress=False)
good = sum(isinstance(result, Answer) for result in results)
seconds = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss: that of a child begins at its parent's. This is in kB.
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(good, seconds, used.ru_utime + used.ru_stime, peak)
"""


def main() -> None:
    """Ask, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    with serving() as base_url, tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.jsonl"
        words = [base_url, str(ledger), str(options.requests), str(options.concurrency)]
        good, seconds, cpu, peak = measured(words)
        stats = statistics(base_url)
        _, again, _, _ = measured(words)
    ratio = stats["latency"] / seconds
    print(f"{good:,.0f} of {options.requests:,} answered, {options.concurrency} in flight")
    print(f"one after the other  {stats['latency']:8.1f} s (sum of the server's latencies)")
    print(f"through the door     {seconds:8.1f} s  {ratio:.1f} times as fast")
    print(f"CPU time             {cpu:8.1f} s  start included; peak memory {peak:.0f} MB")
    print(f"from the ledger      {again:8.1f} s  for the same requests once more")


@contextmanager
def serving() -> Iterator[str]:
    """The address of a test server in a process of its own."""
    words = ["-m", "tests.llm_server", "--latency", *LATENCY, "--answer", ANSWER]
    with subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def measured(words: list[str]) -> tuple[float, float, float, float]:
    """Good answers, seconds, CPU seconds and peak memory in MB of one process that asks."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, *words], cwd=ROOT, check=True, capture_output=True, text=True
    )
    good, seconds, cpu, peak = map(float, done.stdout.split())
    return good, seconds, cpu, peak


def statistics(base_url: str) -> dict[str, Any]:
    """What the server counted."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{base_url}/stats") as response:
        counted: dict[str, Any] = json.load(response)
    return counted


if __name__ == "__main__":
    main()

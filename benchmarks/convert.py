"""CPU and memory of reading and converting SmileChat, against parsing the same files alone.

Usage: python benchmarks/convert.py [--files 55000]. Files of SmileChat's shape (one JSON array of
11 turns with annotations, about 8 kB) are generated from a seed in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORDS = """
我们 今天 觉得 压力 工作 家人 睡眠 不好 也许 可以 慢慢 试试 朋友 说过 害怕 但是 希望
听起来 很累 没有
""".split()
PLAIN = """
import json, sys
from pathlib import Path
for path in Path(sys.argv[1]).rglob("*.json"):
    json.loads(path.read_bytes())
"""
READ = """
import sys
from pathlib import Path
from converters.corpora.formats import CORPORA
from converters.corpora.intake import Intake, take_in
for dialogue in take_in(CORPORA["smilechat"], Path(sys.argv[1]), Intake()):
    pass
"""


def main() -> None:
    """Generate, run both sides, print both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=55_000)
    count = parser.parse_args().files
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        size = generate(folder, count)
        print(f"{count:,} files, {size / 1e6:,.0f} MB")
        measured([sys.executable, "-c", PLAIN, str(folder)])  # fills the page cache
        plain, plain_peak = measured([sys.executable, "-c", PLAIN, str(folder)])
        read, read_peak = measured([sys.executable, "-c", READ, str(folder)])
        output = Path(name) / "out.jsonl"
        command = ["-m", "converters", "convert", "smilechat", str(folder), "-o", str(output)]
        whole, whole_peak = measured([sys.executable, *command])
    for label, seconds, peak in (
        ("read and parse alone", plain, plain_peak),
        ("read into dialogues", read, read_peak),
        ("convert, writing too", whole, whole_peak),
    ):
        print(
            f"{label:22} {seconds:7.2f} s CPU  ratio {seconds / plain:5.2f}  {peak:5.0f} MB at most"
        )


def generate(folder: Path, count: int) -> int:
    """Write the files; return their bytes."""
    folder.mkdir()
    draw, size = random.Random(0), 0
    for number in range(count):
        turns = [_turn(draw, index) for index in range(2 * draw.randint(3, 8))]
        text = json.dumps(turns, ensure_ascii=False, indent=4)
        size += (folder / f"{number}.json").write_bytes(text.encode())
    return size


def _turn(draw: random.Random, index: int) -> dict[str, object]:
    role, sentences = (("client", 3), ("counselor", 5))[index % 2]
    said = ["".join(draw.choices(WORDS, k=8)) + "。" for _ in range(draw.randint(1, sentences))]
    return {
        "role": role,
        "content": "".join(said),
        "annotation": [{"sentence": sentence, "label": ""} for sentence in said],
    }


def measured(command: list[str]) -> tuple[float, float]:
    """CPU seconds (user and system) and peak memory in MB of one command."""
    script = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


if __name__ == "__main__":
    main()

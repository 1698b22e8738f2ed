"""The role-play page as a real process, and a player at a real browser.

As its own process: `python -m tests.eval.roleplay_browser roleplay ...` is the command. With
MI_LLM_TEST_CONNECTIONS it writes every address that the process connects to into that file.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "tests.eval.roleplay_browser"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECRET = "sk-secret-of-the-study"  # noqa: S105 made up
CONNECTIONS = "MI_LLM_TEST_CONNECTIONS"
WORDS = {
    "sign_in": "进入",
    "draw": "抽取角色",
    "send": "发送",
    "try_again": "再次请求回复",
    "end": "结束这段对话",
    "decline": "我不演这个角色",
    "finish": "保存并结束",
    "thanks": "已保存。谢谢！",
    "no_reply_yet": "还没有收到回复。你的话已经保存。",
    "typing": "咨询师正在输入……",
    "end_other": "其他（请说明）",
    "end_goal": "目标已达到",
}
_WAIT = 20_000  # milliseconds; the machine may be busy


def profiles_file(folder: Path, count: int = 2) -> Path:
    """A small file of profiles of our own."""
    path = folder / "profiles.yaml"
    rows = [
        f"- {{id: insomnia-{n}, topic: 失眠{n}, target_behaviour: 十二点前上床{n}, "
        f"manifestations: [三点才睡], reasons: [怕第二天上班], readiness: 4, max_rounds: 6}}"
        for n in range(1, count + 1)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


class PageServer:
    """The command, served as people type it; may be killed and started again.

    Args:
        folder: Of the study, with room beside it for logs.
        options: Of the command, but for --output, --seed and --port.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self._options, self._port = folder, options, 0
        self._log = folder.parent / "page.log"
        self.connections = folder.parent / "connections.txt"
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start, at the same port as before, and wait until it answers."""
        command = [sys.executable, "-m", PROGRAM, "roleplay", *self._options, "--seed", "42"]
        command += ["--output", str(self.folder), "--port", str(self._port)]
        surroundings = {**os.environ, CONNECTIONS: str(self.connections)}
        with self._log.open("a+", encoding="utf-8") as log:
            begin = log.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**surroundings, "MI_LLM_API_KEY": SECRET, "OMP_NUM_THREADS": "1"},
            )
        self.url = self._address(begin)
        self._port = int(self.url.rstrip("/").rpartition(":")[2])

    def kill(self) -> None:
        """Kill it as a power cut would."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def interrupt(self) -> None:
        """End it as Ctrl-C does; fails if it does not end soon."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=20)

    @property
    def log(self) -> str:
        """All that it said, over all its lives."""
        return self._log.read_text(encoding="utf-8")

    def _address(self, begin: int) -> str:
        for _ in range(300):
            said = self._log.read_bytes()[begin:].decode()
            if found := re.search(r"open (http://127\.0\.0\.1:\d+/) ", said):
                return found[1]
            if self._process.poll() is not None:
                break
            time.sleep(0.2)
        raise AssertionError(f"the page did not start: {self.log}")

    def session(self, name: str) -> Any:
        """A session's file."""
        return json.loads((self.folder / "sessions" / f"{name}.json").read_text(encoding="utf-8"))

    def said(self, name: str) -> list[tuple[str, str]]:
        """Who said what in a session, as its file has it."""
        return [(turn["role"], turn["content"]) for turn in self.session(name)["turns"]]


@contextmanager
def browser(folder: Path) -> Iterator[Any]:
    """A headless Chromium that finds no name but 127.0.0.1, and logs all that it asks for."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        flags = [
            "--no-sandbox",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            f"--log-net-log={folder / 'net.json'}",
            "--net-log-capture-mode=Everything",
            "--disable-background-networking",
            "--disable-component-update",
        ]
        made = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield made
        made.close()


class Player:
    """Somebody at a browser of their own.

    Args:
        context: The browser's profile.
        url: The page's address.
        name: The player id.
    """

    def __init__(self, context: BrowserContext, url: str, name: str) -> None:
        self.asked: list[str] = []
        context.on("request", lambda request: self.asked.append(request.url))
        self.page: Page = context.new_page()
        self.page.set_default_timeout(_WAIT)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        self.url, self.name = url, name

    def sign_in(self) -> None:
        """Open the page and sign in."""
        self.page.goto(self.url)
        self.page.locator("#player input, #player textarea").fill(self.name)
        self.press("sign_in")
        self.page.get_by_text(self.name, exact=True).wait_for()

    def draw(self) -> None:
        """Draw a role."""
        self.press("draw")
        self.field.wait_for()

    def press(self, name: str) -> None:
        """Press a button by its words."""
        self.page.get_by_role("button", name=WORDS[name], exact=True).click()

    @property
    def field(self) -> Any:
        """Where one types."""
        return self.page.locator("#say textarea")

    def say(self, text: str) -> None:
        """Type and send; a paste, so that line ends stay."""
        self.field.fill(text)
        self.press("send")

    def type(self, text: str) -> None:
        """Put in as an input method does, and send with Enter."""
        self.field.click()
        self.page.keyboard.insert_text(text)
        self.page.keyboard.press("Enter")

    def chat(self) -> list[str]:
        """The bubbles as they can be read."""
        found = self.page.locator("#chat .message.bot, #chat .message.user")
        return [text.strip() for text in found.all_inner_texts()]

    def wait_for_turns(self, count: int) -> None:
        """Wait until so many turns are there and none is on its way."""
        send = self.page.get_by_role("button", name=WORDS["send"], exact=True)
        for _ in range(_WAIT // 100):
            if len(self.chat()) == count and send.is_enabled():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{len(self.chat())} turns, not {count}: {self.chat()}")

    def end(self, choice: str, words: str = "", note: str = "") -> None:
        """End the session with a reason and a note."""
        self.press("end")
        self.page.get_by_label(WORDS[choice], exact=True).check()
        self.page.locator("#reason textarea, #reason input").fill(words)
        self.page.locator("#note textarea").fill(note)
        self.press("finish")
        self.page.get_by_text(WORDS["thanks"]).wait_for()


# What Chromium asks for by itself, whatever page is open: sign-in, updates, spelling, and what kind
# of fields a form has (a hash of their names goes out, nothing that is typed).
CHROMIUMS_OWN = {
    "accounts.google.com",
    "clients2.google.com",
    "content-autofill.googleapis.com",
    "edgedl.me.gvt1.com",
    "optimizationguide-pa.googleapis.com",
    "redirector.gvt1.com",
    "safebrowsing.googleapis.com",
    "update.googleapis.com",
}


@dataclass(frozen=True, slots=True)
class NetLog:
    """What a browser's own log says of its network.

    Attributes:
        opened: Hosts that it opened, or tried to open, a connection to; Chromium's own left out.
        by_page: Hosts that a page's own elements and scripts asked.
        received: All bytes that came.
    """

    opened: set[str]
    by_page: set[str]
    received: bytes

    @classmethod
    def read(cls, path: Path) -> NetLog:
        """Read the log of a browser that is closed."""
        log = json.loads(path.read_text(encoding="utf-8"))
        names = {number: name for name, number in log["constants"]["logEventTypes"].items()}
        opened, by_page, received = set(), set(), b""
        for event in log["events"]:
            told, name = event.get("params", {}), names[event["type"]]
            if name == "HTTP_STREAM_JOB_CONTROLLER" and "url" in told:
                opened.add(urlsplit(told["url"]).hostname or "")
            if name == "URL_REQUEST_START_JOB" and "://" in told.get("initiator", ""):
                by_page.add(urlsplit(told["url"]).hostname or "")
            received += b64decode(told.get("bytes", "")) if "RECEIVED" in name else b""
        return cls(opened - CHROMIUMS_OWN, by_page, received)


def _noted(path: str) -> None:
    """Write down every address that this process connects to."""

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo"):
            told = arguments[1] if event == "socket.connect" else arguments[0]
            host = told[0] if isinstance(told, tuple) else told
            with open(path, "a", encoding="utf-8") as stream:  # noqa: PTH123 no more events
                stream.write(f"{event} {host}\n")

    sys.addaudithook(note)


def main() -> None:
    """Run the command."""
    if path := os.environ.get(CONNECTIONS):
        _noted(path)
    from eval.roleplay.command import roleplay
    from mi_llm import cli

    app = cli.command_group("The role-play page.")
    app.command()(roleplay)
    app.callback()(lambda: None)
    cli.run(app)


if __name__ == "__main__":
    main()

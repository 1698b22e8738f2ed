"""The page without a browser: the card, the words, what the server answers, and the command."""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import subprocess
import sys
from pathlib import Path
from string import Formatter

import httpx2
import pytest
import yaml

from eval.roleplay.card import card, level
from eval.roleplay.desk import CHOICES
from eval.roleplay.session import Session
from eval.roleplay.view import bubbles
from eval.roleplay.web import POLICY, guarded, without_outside
from eval.roleplay.words import LANGUAGES, Words
from mi_llm.dialogue import Turn
from mi_llm.profiles import Profile, Stage, Style, Unlock, read_profiles
from mi_llm.safety import Risk
from tests.eval.roleplay_browser import PROGRAM, ROOT, WORDS, PageServer, profiles_file
from tests.llm_server import LLMServer

PACKAGE = ROOT / "eval" / "roleplay"


def table():
    return yaml.safe_load((PACKAGE / "words.yaml").read_text(encoding="utf-8"))


def blanks(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_word_is_there_in_both_languages_with_the_same_blanks():
    found = table()
    assert len(found) > 100
    for name, texts in found.items():
        assert sorted(texts) == sorted(LANGUAGES), name
        assert blanks(texts["zh"]) == blanks(texts["en"]), name
        assert all(isinstance(text, str) and text for text in texts.values()), name


def test_every_word_that_the_code_names_is_there():
    code = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py"))
    named = set(re.findall(r'words\("(\w+)"', code)) | set(re.findall(r'Refused\("(\w+)"', code))
    assert len(named) > 40
    literals = [*Stage.__args__, *Style.__args__, *Unlock.__args__]  # type: ignore[attr-defined]
    kinds = ("away", "refused", "filtered", "broken", "blank")
    wanted = {*named, *literals, *Risk, *(f"end_{name}" for name in CHOICES)}
    wanted |= {f"reply_{kind}" for kind in kinds} | {"unjudged", "no_verdict"}
    assert wanted <= set(table())


def test_the_card_says_all_that_a_player_needs():
    (profile,) = [
        one
        for one in read_profiles(ROOT / "profiles" / "health_behaviours.yaml")
        if one.id == "diet-night-snacks"
    ]
    made = card(profile, Words("zh"))
    wanted = [
        profile.target_behaviour, *profile.manifestations, *profile.beliefs, *profile.barriers,
        *profile.strengths, *profile.red_lines, *(reason.text for reason in profile.reasons),
        *map(str, profile.facts.values()), profile.preferred_plan or "", "这是一个角色，不是你",
    ]  # fmt: skip
    assert len(wanted) > 20
    for text in wanted:
        assert text in made
    assert "咨询师问到或反映出来时" in made
    assert "有些难开口" in made


@pytest.mark.parametrize(
    ("value", "lowest", "highest", "told"),
    [
        (0, 0, 10, "very low (0/10)"),
        (3, 0, 10, "rather low (3/10)"),
        (5, 0, 10, "middling (5/10)"),
        (10, 0, 10, "very high (10/10)"),
        (1, 1, 5, "very low (1/5)"),
        (5, 1, 5, "very high (5/5)"),
    ],
)
def test_a_degree_is_said_in_words(value, lowest, highest, told):
    assert level(value, lowest, highest, Words("en")) == told


def test_a_role_that_discloses_a_danger_says_so_first():
    (profile, *_) = read_profiles(ROOT / "profiles" / "risk.yaml")
    made = card(profile, Words("en"))
    assert made.index("discloses a danger") < made.index(profile.target_behaviour)


def test_what_a_profile_and_a_chat_say_is_text_and_never_a_tag():
    evil = "<img src=x onerror=alert(1)>&amp;"
    profile = Profile.model_validate(
        {
            "id": "p", "target_behaviour": evil, "manifestations": [evil], "reasons": [evil],
            "readiness": 3, "facts": {evil: evil}, "red_lines": [evil], "beliefs": [evil],
            "preferred_plan": evil, "barriers": [evil], "strengths": [evil],
        }
    )  # fmt: skip
    shown = "&lt;img src=x onerror=alert(1)&gt;&amp;amp;"
    made = card(profile, Words("zh"))
    assert "<img" not in made
    assert made.count(shown) == 10
    session = Session("1", "li", "p", "M1", "", (Turn("client", evil),), ("",))
    assert bubbles(session, Words("zh")) == [{"role": "user", "content": shown}]


def test_the_index_page_loses_every_tag_that_names_an_outside_address():
    gradio = Path(sys.prefix) / "lib" / "python3.11" / "site-packages" / "gradio"
    found = sorted(gradio.glob("templates/frontend/index.html"))
    if not found:
        pytest.skip("Gradio is not installed")
    html = found[0].read_text(encoding="utf-8")
    assert "cdnjs.cloudflare.com" in html
    left = without_outside(html)
    assert set(re.findall(r"https?://[^\s\"'<>]+", left)) == set()
    assert "./assets/index-" in left
    assert "window.gradio_config" in left


def asked(path, *, method="GET", **headers):
    """Status and headers that a browser gets for a path, from a server that would answer all."""

    async def app(scope, receive, send):
        kind = (b"content-type", b"text/html"), (b"content-length", b"3")
        await send({"type": "http.response.start", "status": 200, "headers": list(kind)})
        await send({"type": "http.response.body", "body": b"one"})

    sent = []

    async def send(message):
        sent.append(message)

    named = {"host": "127.0.0.1:7860", **headers}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    scope = {"type": "http", "path": path, "method": method, "headers": raw}

    async def receive():
        return {}

    async def ask():
        await guarded(app)(scope, receive, send)

    asyncio.run(ask())
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"]


@pytest.mark.parametrize(
    "path",
    ["/", "/theme.css", "/assets/index-Ccc2t4AG.js", "/gradio_api/queue/join",
     "/gradio_api/queue/data", "/gradio_api/heartbeat/abc12"],
)  # fmt: skip
def test_what_the_page_needs_is_answered_under_the_policy(path):
    status, headers, body = asked(path)
    assert (status, body) == (200, b"one")
    assert headers[b"content-security-policy"].decode() == POLICY


@pytest.mark.parametrize(
    "path",
    ["/config", "/gradio_api/info", "/openapi.json", "/docs", "/gradio_api/upload",
     "/gradio_api/file=/etc/passwd", "/file=/etc/passwd", "/gradio_api/proxy=http://example.org",
     "/monitoring", "/gradio_api/deep_link", "/login", "/assets/../key.json",
     "/gradio_api/call/send", "/gradio_api/run/send", "/manifest.json"],
)  # fmt: skip
def test_nothing_else_is_answered(path):
    status, headers, _ = asked(path)
    assert status == 404
    assert headers[b"content-security-policy"].decode() == POLICY


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost:7860"}, 200),
        ({"host": "[::1]:7860"}, 200),
        ({"host": "evil.example:7860"}, 403),
        ({"host": ""}, 403),
        ({"origin": "http://127.0.0.1:7860"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:7861"}, 403),
        ({"origin": "http://127.0.0.1"}, 403),
        ({"origin": "https://127.0.0.1:7860"}, 403),
        ({"origin": "http://localhost:7860"}, 403),
        ({"origin": "http://127.0.0.1:7860.evil.example"}, 403),
        ({"origin": "http://127.0.0.1:7860@evil.example"}, 403),
        ({"origin": ""}, 403),
        ({"host": "LOCALHOST:7860", "origin": "http://localhost:7860"}, 200),
        ({"host": "127.0.0.1:7860@evil.example"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}, 403),
    ],
)
def test_another_site_cannot_send_requests_here_from_a_players_browser(headers, status):
    assert asked("/gradio_api/queue/join", method="POST", **headers)[0] == status


def test_a_link_opens_the_page_but_nothing_else_of_another_site_reads_it():
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert asked("/", **link)[0] == 200
    assert asked("/", **{**link, "sec-fetch-mode": "no-cors"})[0] == 403
    assert asked("/gradio_api/queue/data", **{"sec-fetch-site": "same-site"})[0] == 403


# What a browser may send for each act, and what of the answer must then be there.
WHERE = {"lang": "zh", "player": "", "session": "", "shown": 0}
WRONG_TYPES = [
    ("load", [WHERE], '"lang":"zh"'),
    ("load", [5], '"lang":"zh"'),
    ("load", [{"lang": 5, "player": [], "session": {}, "shown": "x"}], '"lang":"zh"'),
    ("sign_in", ["li", WHERE], '"player":"li"'),
    ("sign_in", [{"a": 1}, None], "代号只能用"),
]
NOT_THE_PAGES = [
    b"", b"{", b"[1]", b"\xff", b"[" * 5_000, b'{"data": []}', b'{"data": 5, "fn_index": 0}',
    b'{"data": [5], "fn_index": 999999}', b'{"data": [5], "fn_index": "0"}',
    b'{"data": [5], "fn_index": ' + b"9" * 5_000 + b"}", b'{"data": [], "fn_index": 0}',
    b'{"data": ["nonsense", "", "", null], "fn_index": 22}', b" " * (1 << 21),
]  # fmt: skip


def page_acts(html):
    """The numbers of the page's acts, as its index page tells a browser."""
    start = html.index("window.gradio_config = ") + len("window.gradio_config = ")
    config, _ = json.JSONDecoder().raw_decode(html[start:])
    backed = [one["id"] for one in config["dependencies"] if one["backend_fn"]]
    return {"load": backed[0], "sign_in": backed[1]}


def act_done(url, number, data):
    """What the page answers to an act, as the stream of its events."""
    name = "".join(random.choices("abcdefgh", k=10))
    body = {"data": data, "fn_index": number, "session_hash": name}
    httpx2.get(f"{url}gradio_api/startup-events")
    joined = httpx2.post(f"{url}gradio_api/queue/join", json=body)
    assert joined.status_code == 200, joined.text
    text = ""
    with httpx2.stream("GET", f"{url}gradio_api/queue/data?session_hash={name}") as events:
        for line in events.iter_lines():
            text += line
            if "process_completed" in line:
                break
    return text


def test_the_page_starts_tells_where_it_is_and_ends_when_it_is_told(tmp_path):
    pytest.importorskip("gradio")
    with LLMServer(lambda _: "好", model="glm4_lora_r16") as server:
        options = ["--profiles", str(profiles_file(tmp_path))]
        options += ["--models", f"glm4_lora_r16={server.base_url}"]
        with PageServer(tmp_path / "study", *options) as page:
            html = httpx2.get(page.url).text
            acts = page_acts(html)
            for name, data, shown in WRONG_TYPES:
                assert shown in act_done(page.url, acts[name], data), (name, data)
            for body in NOT_THE_PAGES:
                answer = httpx2.post(f"{page.url}gradio_api/queue/join", content=body)
                assert (answer.status_code, answer.text) == (400, "not what this page sends")
            assert httpx2.get(page.url + "config").status_code == 404
            page.interrupt()
    assert "2 profiles x 1 models x 1 = 2 sessions, 0 finished" in page.log
    assert "Traceback" not in page.log
    assert "你的代号" in html
    assert "glm4_lora_r16" not in html
    assert str(tmp_path) not in html
    tags = re.findall(r"<(?:link|script|meta|img)[^>]*>", html)
    assert tags
    assert [tag for tag in tags if "http" in tag.replace("http-equiv", "")] == []
    key = json.loads((tmp_path / "study" / "key.json").read_text(encoding="utf-8"))
    assert key == {"M1": "glm4_lora_r16"}


def typed(*arguments):
    """What the command says; it must end by itself."""
    command = [sys.executable, "-m", PROGRAM, "roleplay", "--seed", "42", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )


def told(result):
    """The one line of a user's mistake."""
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def test_a_malformed_profile_is_one_line(tmp_path):
    path = tmp_path / "profiles.yaml"
    path.write_text("- {id: a, target_behaviour: 早睡, manifestations: [熬夜], reasons: []}\n")
    options = ("--profiles", path, "--models", "glm4_lora", "-o", tmp_path / "study")
    line = told(typed(*options))
    assert line.startswith(f"{path}: profile 'a': ")
    assert not (tmp_path / "study").exists()


def test_an_unknown_model_and_a_server_that_is_away_are_one_line(tmp_path):
    options = ("--profiles", profiles_file(tmp_path), "-o", tmp_path / "study")
    with LLMServer(lambda _: "好", model="glm4_base") as server:
        line = told(typed(*options, "--models", f"glm4_lora={server.base_url}"))
        assert line == (
            f"model 'glm4_lora' is not served at {server.base_url}; there are: glm4_base"
        )
    line = told(typed(*options, "--models", f"glm4_lora={server.base_url}"))
    assert line.startswith(f"{server.base_url}: no server answers for model 'glm4_lora'")
    assert not (tmp_path / "study").exists()


def test_a_model_elsewhere_is_refused_unless_it_may_be_asked(tmp_path):
    options = ("--profiles", profiles_file(tmp_path), "-o", tmp_path / "study")
    line = told(typed(*options, "--models", "glm4_lora=https://api.example.org/v1"))
    assert "add --allow-host api.example.org if they may" in line


def test_a_port_that_is_taken_and_a_folder_that_cannot_be_are_one_line(tmp_path):
    with LLMServer(lambda _: "好", model="glm4_lora") as server:
        model = f"glm4_lora={server.base_url}"
        options = ("--profiles", profiles_file(tmp_path), "--models", model)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            line = told(typed(*options, "-o", tmp_path / "study", "--port", port))
        assert line == (
            f"--port {port}: is taken; end what runs there, or give another, such as "
            f"--port {port + 1}"
        )
        line = told(typed(*options, "-o", "/proc/study", "--port", 0))
        assert line.startswith("/proc/study: cannot be written: ")
    assert not (tmp_path / "study").exists()


def test_the_words_that_browser_tests_press_are_the_pages():
    assert {name: table()[name]["zh"] for name in WORDS} == WORDS

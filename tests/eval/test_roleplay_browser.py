"""Whole sessions in a real browser, against a scripted model; what is kept is what was said."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest

from eval.transcripts.collection import read_transcripts
from mi_llm.safety import Gate
from tests.eval.roleplay_browser import (
    CHROMIUM,
    ROOT,
    SECRET,
    WORDS,
    NetLog,
    PageServer,
    Player,
    browser,
    profiles_file,
)
from tests.llm_server import LLMServer, Received, Reply, failed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no chromium: apt-get install -y chromium fonts-wqy-microhei"
    ),
]
pytest.importorskip("playwright", reason="no playwright: install the dev extra")

MODELS = ("glm4_lora_r16", "glm4_base_r16")  # names that nothing else on a page is called
OPENING = "老师你好，我最近总是三点才睡，白天没精神。"
LONG = "我每天都在想这件事。" * 400  # 4,000 characters
HTML = '<script>document.title="x"</script><img src=x onerror="alert(1)"> &amp; <b>粗</b>'
LINES = "第一件事：睡不着。\n\n第二件事：起不来。"
DIES = "我想自杀，已经写好了遗书"


def answer(received: Received) -> str:
    """A reply that tells how many turns the model has seen, and of which length the last was."""
    said = [each["content"] for each in received.body["messages"]]
    client = said[-1].rpartition("心理问题。\n")[2]
    return f"（{len(said)}，{len(client)}字）听起来你很累。<i>是吗</i>？\n\n是什么让你想谈这个？"


def reply_to(number: int, text: str) -> str:
    """What `answer` says to the client's turn of that number, from 1."""
    return answer_text(2 * number - 1, len(text))


def answer_text(messages: int, length: int) -> str:
    return f"（{messages}，{length}字）听起来你很累。<i>是吗</i>？\n\n是什么让你想谈这个？"


def rounds(*texts: str) -> list[tuple[str, str]]:
    """A talk of these client turns, as the file is to have it."""
    return [
        turn
        for number, text in enumerate(texts, start=1)
        for turn in (("client", text), ("counselor", reply_to(number, text)))
    ]


class Scripted:
    """What the model's server does next; by default it answers."""

    def __init__(self) -> None:
        self.next: list[Reply] = []

    def __call__(self, received: Received) -> Reply | str:
        if self.next:
            return self.next.pop(0)
        return Reply(answer(received), piece=7, pause=0.002)


@pytest.fixture
def study(tmp_path):
    """The page, the browser and the script of the two models' server."""
    script = Scripted()
    with LLMServer(script) as server:
        options = ["--profiles", str(profiles_file(tmp_path))]
        for model in MODELS:
            options += ["--models", f"{model}={server.base_url}"]
        with PageServer(tmp_path / "study", *options) as page, browser(tmp_path) as chromium:
            yield page, chromium, script, server


def test_a_whole_session_survives_reload_kill_and_a_model_that_is_away(study, tmp_path):
    page, chromium, script, server = study
    player = Player(chromium.new_context(), page.url, "小李")
    player.sign_in()
    player.draw()

    player.type(OPENING)
    player.wait_for_turns(2)
    assert page.said("0001-小李") == rounds(OPENING)

    player.page.reload()  # in mid-session
    player.wait_for_turns(2)
    player.say(LONG)
    player.wait_for_turns(4)
    assert page.said("0001-小李") == rounds(OPENING, LONG)

    page.kill()  # as a power cut would
    page.start()
    player.say(HTML)  # in the page that stayed open
    player.wait_for_turns(6)
    assert page.said("0001-小李") == rounds(OPENING, LONG, HTML)

    script.next = [failed(503)]  # down for one turn
    player.say(LINES)
    player.page.get_by_text("模型没有应答（HTTP 503）。你的话已经保存，可以再次请求。").wait_for()
    assert page.said("0001-小李") == [*rounds(OPENING, LONG, HTML), ("client", LINES)]
    player.page.reload()
    player.page.get_by_text(WORDS["no_reply_yet"]).wait_for()
    player.press("try_again")
    player.wait_for_turns(8)
    asked = len(server.received)

    shown = player.chat()
    wanted = rounds(OPENING, LONG, HTML, LINES)
    assert [text.split() for text in shown] == [text.split() for _, text in wanted]
    assert player.page.title() == "角色扮演"
    assert player.errors == []
    assert player.page.locator("#chat img, #chat b, #chat script").count() == 0

    player.end("end_other", "来访者说要去接孩子", "第三轮模型像是没听懂")
    assert page.said("0001-小李") == wanted
    assert len(server.received) == asked == 5  # four turns, one of them twice
    (found,) = read_transcripts(page.folder / "transcripts.jsonl")
    assert [(turn.role, turn.content) for turn in found.turns] == wanted
    facts = found.meta["transcript"]
    told = {name: facts[name] for name in ("end_reason", "end_choice", "end_note", "note")}
    assert told == {
        "end_reason": "client_ended",
        "end_choice": "other",
        "end_note": "来访者说要去接孩子",
        "note": "第三轮模型像是没听懂",
    }
    books = [sys.executable, "-m", "eval", "book", str(page.folder / "transcripts.jsonl")]
    books += ["-o", str(tmp_path / "books"), "--raters", "R1", "--seed", "42"]
    made = subprocess.run(books, capture_output=True, text=True, cwd=ROOT, check=False)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("1 transcripts, 4 volleys to code\n")


def test_nothing_is_shown_of_a_reply_that_breaks_off(study):
    page, chromium, script, _ = study
    player = Player(chromium.new_context(), page.url, "li")
    player.sign_in()
    player.draw()
    script.next = [Reply("听起来你这阵子一直在硬撑着。" * 4, pause=0.05, breaks_at=50)]
    player.say(OPENING)
    player.page.get_by_text(WORDS["typing"]).wait_for()
    assert player.page.get_by_text("听起来你这阵子").count() == 0
    player.page.get_by_text("回复中途断了").wait_for()
    assert player.page.get_by_text("听起来你这阵子").count() == 0
    assert player.page.get_by_text(WORDS["typing"]).count() == 0
    assert page.said("0001-li") == [("client", OPENING)]
    player.press("try_again")
    player.wait_for_turns(2)
    assert page.said("0001-li") == rounds(OPENING)
    assert "the reply broke off" in page.log


def test_a_reload_while_a_reply_comes_loses_nothing_of_it_and_asks_for_no_second(study):
    page, chromium, script, server = study
    player = Player(chromium.new_context(), page.url, "li")
    player.sign_in()
    player.draw()
    text = "听起来你这阵子一直在硬撑着。" * 6
    script.next = [Reply(text, pause=0.3)]
    player.say(OPENING)
    player.page.get_by_text(WORDS["typing"]).wait_for()
    player.page.reload()
    player.page.get_by_text(WORDS["typing"]).wait_for()
    player.wait_for_turns(2)
    assert page.said("0001-li") == [("client", OPENING), ("counselor", text)]
    assert len(server.received) == 1


def test_a_kill_while_a_reply_comes_keeps_the_turn_and_the_page_can_ask_again(study):
    page, chromium, script, _ = study
    player = Player(chromium.new_context(), page.url, "li")
    player.sign_in()
    player.draw()
    script.next = [Reply("听起来你这阵子一直在硬撑着。" * 6, pause=0.3)]
    player.say(OPENING)
    player.page.get_by_text(WORDS["typing"]).wait_for()
    page.kill()
    page.start()
    assert page.said("0001-li") == [("client", OPENING)]
    player.page.reload()
    player.page.get_by_text(WORDS["no_reply_yet"]).wait_for()
    player.press("try_again")
    player.wait_for_turns(2)
    assert page.said("0001-li") == rounds(OPENING)


def test_two_players_at_once_do_not_mix(study):
    page, chromium, _, _ = study
    players = [Player(chromium.new_context(), page.url, name) for name in ("li", "wang")]
    for player in players:
        player.sign_in()
        player.draw()
    texts = {"li": ["我是李，睡不着。", "三点。"], "wang": ["我是王，也睡不着啊。", "两点半吧。"]}
    for number in (1, 2):
        for player in players:
            player.say(texts[player.name][number - 1])
        for player in players:
            player.wait_for_turns(2 * number)
    names = {"li": "0001-li", "wang": "0002-wang"}
    for name, session in names.items():
        assert page.said(session) == rounds(*texts[name])
    one, two = (page.session(session) for session in names.values())
    assert (one["profile"], one["code"]) != (two["profile"], two["code"])


def test_two_windows_of_one_session_take_a_turn_once(study):
    page, chromium, _, server = study
    context = chromium.new_context()
    first = Player(context, page.url, "li")
    first.sign_in()
    first.draw()
    second = Player(context, page.url, "li")
    second.sign_in()
    second.field.wait_for()
    first.say(OPENING)
    first.wait_for_turns(2)
    second.say("我睡不着。")
    second.page.get_by_text("这段对话已在另一个窗口继续或结束。").wait_for()
    second.wait_for_turns(2)
    assert second.field.input_value() == "我睡不着。"  # still to be sent
    second.press("send")
    second.wait_for_turns(4)
    assert page.said("0001-li") == rounds(OPENING, "我睡不着。")
    assert len(server.received) == 2


def test_language_player_and_role_can_be_changed_and_what_is_typed_stays(study):
    page, chromium, _, _ = study
    player = Player(chromium.new_context(), page.url, "li")
    player.sign_in()
    player.draw()
    first = page.session("0001-li")["profile"]
    player.press("decline")
    player.draw()
    assert page.session("0002-li")["profile"] != first
    player.field.fill("还没有发出的话")
    player.page.get_by_role("button", name="English", exact=True).click()
    player.page.get_by_text("You speak first.").wait_for()
    assert player.field.input_value() == "还没有发出的话"
    player.page.reload()
    player.page.get_by_text("You speak first.").wait_for()
    player.page.get_by_role("button", name="Sign out", exact=True).click()
    player.page.wait_for_url(lambda url: "player=" not in url)  # all of it is done by then
    player.page.get_by_label("Your player id").fill("wang")
    player.page.get_by_role("button", name="Sign in", exact=True).click()
    player.page.get_by_role("button", name="Draw a role", exact=True).click()
    player.field.wait_for()
    assert page.session("0003-wang")["player"] == "wang"
    assert player.page.url.endswith("?lang=en&player=wang")


def test_the_gates_words_stand_in_the_models_place_with_a_calm_banner(study):
    page, chromium, _, server = study
    player = Player(chromium.new_context(), page.url, "li")
    player.sign_in()
    player.draw()
    player.say(DIES)
    player.page.get_by_text("安全提示已接替模型").wait_for()
    intervention = Gate("zh").intervene(DIES, [])
    assert intervention
    assert page.said("0001-li") == [("client", DIES), ("counselor", intervention.text)]
    assert server.received == []
    player.end("end_goal")
    (found,) = read_transcripts(page.folder / "transcripts.jsonl")
    assert found.meta["transcript"]["end_reason"] == "safety"


def test_the_browser_and_the_page_contact_this_machine_only_and_learn_no_name_or_key(
    study, tmp_path
):
    page, chromium, script, server = study
    context = chromium.new_context(extra_http_headers={"accept-encoding": "identity"})
    player = Player(context, page.url, "li")
    player.sign_in()
    player.draw()
    player.say(OPENING)
    player.wait_for_turns(2)
    script.next = [failed(404, message=f"no model {MODELS[0]} or {MODELS[1]}")]
    player.say("嗯")
    player.page.get_by_text("模型拒绝了这次请求").wait_for()
    for path in ("config", "gradio_api/info", f"gradio_api/file={page.folder}/key.json"):
        response = context.request.get(page.url + path)
        assert response.status == 404, path
    html = context.request.get(page.url).text()
    chromium.close()
    assert len(player.asked) > 20
    assert {urlsplit(url).hostname for url in player.asked} == {"127.0.0.1"}
    log = NetLog.read(tmp_path / "net.json")
    assert log.by_page == log.opened == {"127.0.0.1"}
    assert OPENING.encode() in log.received  # the log holds what the page was sent
    for secret in (*MODELS, SECRET, server.base_url, str(page.folder)):
        assert secret not in html
        assert secret.encode() not in log.received
    lines = set(page.connections.read_text(encoding="utf-8").split("\n")) - {""}
    assert {line.split()[1] for line in lines} <= {"127.0.0.1", "b'127.0.0.1'"}
    assert lines


def test_the_log_would_show_an_outside_address_if_a_page_asked_for_one(tmp_path):
    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    html = '<script src="https://cdnjs.cloudflare.com/a.js"></script>'
    (tmp_path / "index.html").write_text(html, encoding="utf-8")
    handler = partial(Silent, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with browser(tmp_path) as chromium:
            chromium.new_page().goto(f"http://127.0.0.1:{server.server_port}/")
            chromium.close()
        server.shutdown()
    log = NetLog.read(tmp_path / "net.json")
    assert "cdnjs.cloudflare.com" in log.by_page & log.opened

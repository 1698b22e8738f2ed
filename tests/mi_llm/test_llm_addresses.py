"""Wrong addresses: one line in seconds, before anything long is begun."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest

from mi_llm.door import reaching
from mi_llm.door.endpoint import Endpoint
from mi_llm.door.faults import likely_url
from mi_llm.door.reaching import require_served
from mi_llm.errors import InputError
from tests import llm_driver
from tests.commands import Done, run_here

PAGE = "<html><head><title>Sign in to the network</title></head><body>...</body></html>"
LIST = json.dumps({"object": "list", "data": [{"id": "b"}, {"id": "a"}]})
GOOD = json.dumps(
    {"choices": [{"message": {"content": '{"reply": "好的"}'}, "finish_reason": "stop"}]}
)
Answer = tuple[int, str]  # HTTP status and body


@contextmanager
def answering(
    script: Callable[[str, str], Answer], certificate: Path | None = None
) -> Iterator[int]:
    """A server that answers a method and a path as the script says; its port."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, body = script(self.command, self.path)
            data, kind = body.encode(), "text/html" if body.startswith("<") else "application/json"
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815 the names that http.server looks for

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            return  # a wrong scheme ends a connection with an error, as it should

    server = Server(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def silent() -> Iterator[int]:
    """A port that accepts connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield listening.getsockname()[1]


@contextmanager
def hanging_up() -> Iterator[int]:
    """A port of a program that ends whatever begins."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(10)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextmanager
def closed() -> Iterator[int]:
    """A port on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def listing(method: str, path: str) -> Answer:
    """A server that serves models a and b under /v1, and nothing elsewhere."""
    if not path.startswith("/v1/"):
        return 404, '{"detail": "Not Found"}'
    if method == "GET":
        return (200, LIST) if path == "/v1/models" else (404, '{"detail": "Not Found"}')
    return (200, GOOD) if path == "/v1/chat/completions" else (404, '{"detail": "Not Found"}')


def without_a_list(method: str, path: str) -> Answer:
    """The same, but GET is not known."""
    return listing(method, path) if method == "POST" else (501, PAGE)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key with a certificate that nobody trusts."""
    made = tmp_path_factory.mktemp("tls") / "both.pem"
    words = (
        f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=here -keyout {made} -out {made}.crt"
    )
    done = subprocess.run(["openssl", *words.split()], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no openssl here")
    made.write_bytes(made.read_bytes() + made.with_name(f"{made.name}.crt").read_bytes())
    return made


def ask(base_url: str, ledger: Path, model: str = "a") -> Done:
    """What a command that asks for a job comes to."""
    words = [ledger, "--base-url", base_url, "--model", model, "--count", 3]
    return run_here(llm_driver.app, *words, environment=llm_driver.environment())


def told(base_url: str, ledger: Path, model: str = "a", code: int | None = None) -> str:
    """The one line with which it ends, soon and with nothing asked; with a code if one is given."""
    began = time.monotonic()
    done = ask(base_url, ledger, model)
    assert time.monotonic() - began < 15
    assert done.returncode in ((2, 3) if code is None else (code,)), done
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""
    return done.stderr


def test_waiting_for_a_silent_port_leaves_room_within_15_seconds():
    assert reaching._SECONDS + 2 * reaching._ASIDE <= 8


def test_https_for_http_is_told_with_the_right_address(tmp_path):
    with answering(listing) as port:
        line = told(f"https://127.0.0.1:{port}/v1", tmp_path / "l", code=2)
    assert f"it speaks http, not https; try --base-url http://127.0.0.1:{port}/v1" in line


def test_http_for_https_is_told_with_the_right_address(tmp_path, certificate):
    with answering(listing, certificate) as port:
        line = told(f"http://127.0.0.1:{port}/v1", tmp_path / "l", code=2)
    assert f"it speaks https, not http; try --base-url https://127.0.0.1:{port}/v1" in line


@pytest.mark.parametrize("server", [listing, without_a_list])
@pytest.mark.parametrize(
    "path", ["", "/", "/v1/v1", "/v1/chat/completions", "/v1/models", "/api", "/api/chat", "/V1"]
)
def test_a_path_that_is_not_the_services_is_told_with_the_one_that_was_meant(
    tmp_path, path, server
):
    with answering(server) as port:
        listed = server is not without_a_list
        line = told(f"http://127.0.0.1:{port}{path}", tmp_path / "l", code=2)
    meant = "/v1" if listed else likely_url(path)
    assert f"--base-url http://127.0.0.1:{port}{meant}" in line


def test_a_server_that_says_all_is_well_to_every_path_is_told_with_the_right_one(tmp_path):
    def lm_studio(method: str, path: str) -> Answer:
        if path.startswith("/v1/"):
            return listing(method, path)
        return 200, json.dumps({"error": f"Unexpected endpoint ({method} {path}). Returning 200"})

    with answering(lm_studio) as port:
        line = told(f"http://127.0.0.1:{port}", tmp_path / "l", code=2)
        with pytest.raises(InputError, match="is not where the model answers"):
            require_served(Endpoint(f"http://127.0.0.1:{port}/api/v0", "a"))
    assert f"give --base-url http://127.0.0.1:{port}/v1" in line


def test_a_certificate_that_nobody_trusts_is_told(tmp_path, certificate):
    with answering(listing, certificate) as port:
        line = told(f"https://127.0.0.1:{port}/v1", tmp_path / "l", code=2)
    assert "its certificate is not trusted: self-signed certificate; SSL_CERT_FILE" in line


@pytest.mark.parametrize("body", ['{"status": "ok"}', '"hello"', "[]"])
def test_what_answers_something_else_to_everything_is_wrong_use_and_told_soon(tmp_path, body):
    with answering(lambda method, path: (200, body)) as port:
        line = told(f"http://127.0.0.1:{port}/v1", tmp_path / "l", code=2)
        with pytest.raises(InputError, match="no model answers there, but"):
            require_served(Endpoint(f"http://127.0.0.1:{port}/v1", "a"))
    assert "no completion came, but" in line


def test_an_error_in_place_of_an_answer_may_pass(tmp_path):
    with answering(lambda method, path: (200, '{"error": {"message": "busy"}}')) as port:
        told(f"http://127.0.0.1:{port}/v1", tmp_path / "l", code=3)


@pytest.mark.parametrize("status", [404, 405])
def test_a_session_is_not_begun_where_no_path_of_the_service_is_known(status):
    posts: list[str] = []

    def nothing(method: str, path: str) -> Answer:
        posts.append(method)
        return status, '{"detail": "Not Found"}'

    with answering(nothing) as port, pytest.raises(InputError, match="no model answers there"):
        require_served(Endpoint(f"http://127.0.0.1:{port}/api", "a"))
    assert posts.count("POST") == 1


def test_blanks_around_an_address_are_no_part_of_it(tmp_path):
    with answering(listing) as port:
        assert ask(f" http://127.0.0.1:{port}/v1 \n", tmp_path / "l").returncode == 0


def test_a_closed_port_is_told_with_what_to_do(tmp_path):
    with closed() as port:
        line = told(f"http://127.0.0.1:{port}/v1", tmp_path / "l")
    assert line.startswith("stopped: http://127.0.0.1")
    assert "nothing listens there; start the server, or correct the port" in line


def test_a_port_that_accepts_and_is_silent_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(reaching, "_SECONDS", 0.8)
    with silent() as port:
        line = told(f"http://127.0.0.1:{port}/v1", tmp_path / "l")
    assert "not a word within 0.8 s" in line


def test_a_port_that_hangs_up_is_told(tmp_path):
    with hanging_up() as port:
        line = told(f"http://127.0.0.1:{port}/v1", tmp_path / "l", code=3)
    assert "it hangs up without an answer; is it another program's port?" in line


def test_a_name_that_no_server_has_is_told(tmp_path):
    base_url = "https://nobody.invalid/v1"
    words = [
        tmp_path / "l",
        "--base-url",
        base_url,
        "--model",
        "a",
        "--allow-host",
        "nobody.invalid",
    ]
    environment = llm_driver.environment(MI_LLM_API_KEY="sk-none")
    done = run_here(llm_driver.app, *words, environment=environment)
    assert done.returncode in (2, 3)  # whether the name or the network is missing, it may not know
    assert done.stderr.count("\n") == 1
    assert "nobody.invalid" in done.stderr


def test_a_wrong_model_is_told_with_those_that_are_served(tmp_path):
    with answering(listing) as port:
        line = told(f"http://127.0.0.1:{port}/v1", tmp_path / "l", model="x")
        assert ask(f"http://127.0.0.1:{port}/v1", tmp_path / "l", model="b").returncode == 0
    assert f"model 'x' is not served at http://127.0.0.1:{port}/v1; there are: a, b" in line


def test_a_tag_that_ollama_leaves_out_is_no_other_model(tmp_path):
    def ollama(method: str, path: str) -> Answer:
        return (200, '{"data": [{"id": "qwen3:latest"}]}') if method == "GET" else (200, GOOD)

    with answering(ollama) as port:
        assert ask(f"http://127.0.0.1:{port}/v1", tmp_path / "l", model="qwen3").returncode == 0


@pytest.mark.parametrize("status", [200, 403, 502, 503, 511])
@pytest.mark.parametrize("also_get", [True, False], ids=["every method", "POST alone"])
def test_a_web_page_where_an_answer_is_expected_is_told(tmp_path, status, also_get):
    def page(method: str, path: str) -> Answer:
        return (status, PAGE) if method == "POST" or also_get else (404, "{}")

    with answering(page) as port:
        line = told(f"http://127.0.0.1:{port}/v1", tmp_path / "l")
    assert f"a web page ('Sign in to the network', HTTP {status}) came from" in line


def test_a_proxy_that_wants_a_login_is_told(tmp_path):
    with answering(lambda method, path: (407, "{}")) as port:
        assert "wants a login" in told(f"http://127.0.0.1:{port}/v1", tmp_path / "l")


def test_a_page_between_answers_is_a_fault_that_passes(tmp_path):
    posts: list[str] = []

    def restarting(method: str, path: str) -> Answer:
        posts.append(method)
        return (502, PAGE) if posts.count("POST") in (3, 4, 5) and method == "POST" else (200, GOOD)

    with answering(restarting) as port:
        done = ask(f"http://127.0.0.1:{port}/v1", tmp_path / "l")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_list_that_is_refused_where_answers_are_not_is_no_wrong_address(tmp_path, status):
    def restricted(method: str, path: str) -> Answer:
        return (status, '{"error": "no"}') if method == "GET" else (200, GOOD)

    with answering(restricted) as port:
        assert ask(f"http://127.0.0.1:{port}/v1", tmp_path / "l").returncode == 0


def test_a_page_that_refuses_one_long_request_does_not_end_the_run(tmp_path):
    posts: list[str] = []

    def one_is_too_large(method: str, path: str) -> Answer:
        posts.append(method)
        return (413, PAGE) if posts.count("POST") == 1 and method == "POST" else (200, GOOD)

    with answering(one_is_too_large) as port:
        done = ask(f"http://127.0.0.1:{port}/v1", tmp_path / "l")
    assert (done.returncode, json.loads(done.stdout)["set_aside"]) == (1, 1)


def test_nobody_is_looked_for_where_all_is_in_the_ledger(tmp_path):
    with answering(listing) as port:
        assert ask(f"http://127.0.0.1:{port}/v1", tmp_path / "l").returncode == 0
    with closed() as port:
        assert ask(f"http://127.0.0.1:{port}/v1", tmp_path / "l").returncode == 0


@pytest.mark.parametrize(
    ("status", "body", "model"),
    [
        (200, LIST, "a"),
        (404, "{}", "x"),
        (405, "{}", "x"),
        (200, '{"received": 3}', "x"),
        (200, "[1]", "x"),
        (200, '"x"', "x"),
        (200, "{not json", "x"),
    ],
)
def test_a_model_on_the_list_passes_and_so_does_a_server_without_a_list(status, body, model):
    def server(method: str, path: str) -> Answer:
        return (status, body) if method == "GET" else (422, '{"detail": "Field required"}')

    with answering(server) as port:
        require_served(Endpoint(f"http://127.0.0.1:{port}/v1", model))


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, LIST, "model 'x' is not served at {url}; there are: a, b"),
        (200, '{"data": []}', "model 'x' is not served at {url}; there are: none"),
        (
            307,
            "",
            "{url} redirects elsewhere (to an address that is not told), which is not"
            " followed; give --base-url as it is meant",
        ),
        (401, "{}", "{url} refuses the key; set MI_LLM_API_KEY"),
        (500, "{}", "{url}: the server answers HTTP 500; is it still starting?"),
    ],
)
def test_another_list_a_refused_key_and_a_broken_server_are_told(status, body, message):
    with answering(lambda method, path: (status, body)) as port:
        url = f"http://127.0.0.1:{port}/v1"
        with pytest.raises(InputError) as error:
            require_served(Endpoint(url, "x"))
    assert str(error.value) == message.format(url=url)


def test_azure_lists_no_deployments_and_is_not_asked(monkeypatch):
    monkeypatch.setenv("MI_LLM_API_KEY", "sk-none")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    host = "somebody.openai.azure.com"
    require_served(Endpoint(f"https://{host}", "x", allow_hosts=(host,)))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://h:1", "http://h:1/v1"),
        ("http://h:1/", "http://h:1/v1"),
        ("http://h:1/v1/", "http://h:1/v1"),
        ("http://h:1/v1/v1", "http://h:1/v1"),
        ("http://h:1/v1/chat/completions", "http://h:1/v1"),
        ("https://h/api/paas/v4", "https://h/api/paas/v4"),
        ("https://h/compatible-mode/v1", "https://h/compatible-mode/v1"),
        ("https://h/v1beta/openai", "https://h/v1beta/openai"),
    ],
)
def test_the_address_that_is_usually_meant(given, meant):
    assert likely_url(given) == meant

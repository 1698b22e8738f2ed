"""`python -m mi_llm doctor` as typed, in environments that are well and not."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.pipeline.llamafactory import ROOT, TEMPLATES

pytestmark = pytest.mark.train

NOWHERE = "http://127.0.0.1:9"  # nothing listens there
SUBJECTS = ["python", "packages", "gpu", "templates", "fonts", "disk", "disk", "hub"]


class Hub(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        """The list of models, as a server of models has it."""
        self._send(200, b'{"object": "list", "data": [{"id": "mi", "object": "model"}]}')

    def do_POST(self):
        """What such a server says to a request for an answer that says nothing."""
        self.rfile.read(int(self.headers["content-length"]))
        self._send(400, b'{"error": {"message": "messages: field required"}}')

    def _send(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def mirror():
    with HTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def doctor(*words, **environment):
    """Exit code, and (state, subject, text) of each line."""
    pytest.importorskip("llamafactory")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "USE_", "OPENAI_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "mi_llm", "doctor", *map(str, words)],
        cwd=ROOT, env={**kept, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return done.returncode, [tuple(line) for line in lines]


@pytest.fixture
def recipes(stand_ins, tmp_path):
    """A folder of recipes whose base models are the stand-ins."""
    for family, template in TEMPLATES.items():
        text = f"model_name_or_path: {stand_ins[family]}\ntemplate: {template}\n"
        (tmp_path / f"{family}.yaml").write_text(text)
    return tmp_path


def test_a_machine_that_is_well_ends_with_0(mirror, recipes):
    code, lines = doctor("--recipes", recipes, HF_ENDPOINT=mirror, MI_LLM_BASE_URL=f"{mirror}/v1")
    assert [line for line in lines if line[0] == "problem"] == []
    assert code == 0
    found = [subject for _, subject, _ in lines if subject != "tokenizer"]
    assert found == [*SUBJECTS, "endpoint"]
    fitting = [text for state, subject, text in lines if (state, subject) == ("ok", "tokenizer")]
    assert len(fitting) == 3
    hub = next(text for _, subject, text in lines if subject == "hub")
    assert hub == f"Hugging Face's mirror, {mirror} (by HF_ENDPOINT) answers"


def test_what_is_wrong_is_a_line_with_its_remedy_and_ends_with_1(recipes, tmp_path):
    (recipes / "strange.yaml").write_text("model_name_or_path: a/b\ntemplate: glm5\n")
    swapped = (recipes / "glm4.yaml").read_text().replace("template: glm4", "template: llama3")
    (recipes / "glm4.yaml").write_text(swapped)
    pins = tmp_path / "pins.txt"
    pins.write_text("jinja2==0.1\n")
    code, lines = doctor(
        "--recipes", recipes, "--pins", pins,
        HF_ENDPOINT=NOWHERE, MI_LLM_BASE_URL=NOWHERE,
    )  # fmt: skip
    assert code == 1
    told = {subject: text for state, subject, text in lines if state == "problem"}
    assert set(told) == {"packages", "templates", "tokenizer", "hub", "endpoint"}
    assert told["packages"].startswith("jinja2 3.")
    assert told["packages"].endswith(f"not 0.1 ({pins}); run make setup")
    assert told["templates"].startswith("LLaMA-Factory has no glm5")
    assert "<|start_header_id|>" in told["tokenizer"]
    assert "set HF_ENDPOINT to a mirror or USE_MODELSCOPE_HUB=1" in told["hub"]
    assert told["endpoint"].startswith(
        f"MI_LLM_BASE_URL: {NOWHERE}: no server answers (connection refused"
    )


def test_modelscope_needs_its_package_and_offline_asks_nobody(recipes):
    code, lines = doctor("--recipes", recipes, USE_MODELSCOPE_HUB="1", HF_HUB_OFFLINE="1")
    found = [line for line in lines if line[1] == "hub"]
    assert [state for state, _, _ in found] == ["problem", "note"]
    assert "pip install 'modelscope>=1.11.0'" in found[0][2]
    assert found[1][2].endswith("not asked, HF_HUB_OFFLINE is set")
    assert code == 1

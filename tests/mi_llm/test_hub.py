"""Where models come from, asked of real servers on loopback."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mi_llm.runs import hub


class Mirror(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(int(self.path.rpartition("/")[2] or 200))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def mirror():
    with HTTPServer(("127.0.0.1", 0), Mirror) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def environment(monkeypatch, tmp_path):
    for name in ("USE_MODELSCOPE_HUB", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_the_environment_chooses_the_hub():
    assert hub.chosen({}).endpoint == "https://huggingface.co"
    assert hub.chosen({"HF_ENDPOINT": "https://a.example/"}).endpoint == "https://a.example"
    both = {"USE_MODELSCOPE_HUB": "1", "HF_ENDPOINT": "https://a.example"}
    assert hub.chosen(both) == hub.Hub(
        "ModelScope", "https://www.modelscope.cn", "USE_MODELSCOPE_HUB"
    )
    assert hub.chosen({"USE_MODELSCOPE_HUB": "0"}).setting == ""


def test_a_server_answers_whatever_it_says(mirror):
    assert hub.answers(mirror) is None
    assert hub.answers(f"{mirror}/404") is None
    assert hub.answers("http://127.0.0.1:9") is not None  # nothing listens on port 9
    assert hub.answers("no address") is not None


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("zai-org/glm-4-9b-chat-hf", False),
        ("models/Baichuan2-7B-Chat-Llama", True),
        ("./glm4", True),
        ("/data/glm4", True),
        ("saves/demo/stand_in/glm4", True),
    ],
)
def test_folders_and_hub_ids_are_told_apart(environment, model, folder):
    assert hub.is_folder(model) is folder


@pytest.mark.train
def test_what_hinders_a_model_is_told_with_the_way_out(environment, mirror):
    pytest.importorskip("huggingface_hub")
    model = "nobody/no-such-model-of-ours"
    environment.setenv("HF_ENDPOINT", mirror)
    assert hub.hindrance(model, "main") is None  # it may be there: the loader will see
    environment.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    told = hub.hindrance(model, "main") or ""
    assert told.startswith(f"{model}: http://127.0.0.1:9 cannot be reached (")
    assert "USE_MODELSCOPE_HUB=1" in told
    environment.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE forbids fetching it" in str(hub.hindrance(model, "main"))
    environment.setattr("mi_llm.runs.installed.version_of", lambda name: None)
    environment.setenv("USE_MODELSCOPE_HUB", "1")
    assert "pip install 'modelscope>=1.11.0'" in str(hub.hindrance(model, "main"))
    assert "no model is there" in str(hub.hindrance("models/nothing", "main"))

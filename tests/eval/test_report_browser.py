"""The page in a real browser: its filters, its width on a phone, and what is printed."""

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from eval.report.content import content
from eval.report.examples import examples
from eval.report.page import page
from tests.eval.report_runs import dialogue_rows, rows_file, scored_run

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None, reason="no chromium: apt-get install -y chromium fonts-wqy-microhei"
    ),
]
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip
# Widths, and the elements that reach out of the page although nothing scrolls them.
MEASURE = """<script>
var root = document.documentElement, wide = [];
document.querySelectorAll("body *").forEach(function (one) {
  if (one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, figure")) {
    wide.push(one.tagName + "." + one.className);
  }
});
root.dataset.measured = [innerWidth, root.scrollWidth, wide.join()].join("|");
</script>"""


def browser(profile, url, *flags):
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", *flags, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    rows = dialogue_rows(12, 4)
    rows[0]["input"] = "https://example.org/" + "a" * 300
    path = rows_file(folder, rows)
    wanted = [row["output"] for row in rows]
    return [
        scored_run(folder, "glm4_base", path, ["嗯。" * (n + 1) for n in range(48)]),
        scored_run(folder, "glm4_lora", path, wanted),
        scored_run(folder, "llama3_chinese_lora_dialogue", path, [one[:9] for one in wanted]),
    ]


@pytest.fixture(scope="module", params=["en", "zh"])
def written(request, runs, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(runs, language=request.param), encoding="utf-8")
    return path


def visible(dom):
    """Names of the examples that are shown, in the order of the page."""
    opened = re.findall(r'<section class="example"([^>]*)>\s*<p class="soft">([^<]+)</p>', dom)
    assert opened
    return [name for attributes, name in opened if " hidden" not in attributes]


@pytest.mark.parametrize("view", ["random", "longest", "best glm4_lora", "worst glm4_base"])
def test_a_filter_shows_its_rounds_in_its_order(written, runs, tmp_path, view):
    url = f"{written.as_uri()}#view={quote(view)}"
    shown = visible(browser(tmp_path / "profile", url, "--dump-dom"))
    wanted = [one for one in examples(content(runs)) if view in one.places]
    assert shown == [one.name for one in sorted(wanted, key=lambda one: one.places[view])]
    assert len(shown) == 10


def test_a_filter_that_there_is_not_shows_the_sample(written, runs, tmp_path):
    dom = browser(tmp_path / "profile", f"{written.as_uri()}#view=%E0%A4%A", "--dump-dom")
    wanted = [one.name for one in examples(content(runs)) if "random" in one.places]
    assert visible(dom) == wanted


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_reaches_out_of_the_page(written, tmp_path, width):
    # Headless Chromium has no window narrower than 500; a frame has.
    inner = tmp_path / "measured.html"
    html = written.read_text(encoding="utf-8").replace("</body>", MEASURE + "</body>")
    inner.write_text(html, encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe id="f" style="width:{width}px;height:900px;border:0" src="measured.html">'
        "</iframe>"
        '<script>document.getElementById("f").onload = function () {'
        "document.title = this.contentDocument.documentElement.dataset.measured; };</script>"
    )
    flags = ("--allow-file-access-from-files", "--window-size=1300,1000", "--dump-dom")
    dom = browser(tmp_path / "profile", frame.as_uri(), *flags)
    (measured,) = re.findall(r"<title>([^<]*)</title>", dom)
    assert measured == f"{width}|{width}|"


def test_the_page_prints(written, tmp_path):
    path = tmp_path / "report.pdf"
    browser(
        tmp_path / "profile", written.as_uri(), "--no-pdf-header-footer", f"--print-to-pdf={path}"
    )
    assert Path(path).read_bytes().startswith(b"%PDF-")

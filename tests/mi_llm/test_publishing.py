"""Outputs put in place: never half, never over an input, and torn sets refused."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from mi_llm import files, sheets
from mi_llm.errors import InputError
from mi_llm.publishing import reading_from, require_whole
from mi_llm.stamp import stamp_path, stamped, stamped_folder, stamped_set
from tests.kills import killed

NAMES = ("train", "test", "pairs")
AGAIN = "run again: python -m converters split in -o out (or remove"


@pytest.fixture(autouse=True)
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/converters/__main__.py", "split", "in", "-o", "out"])
    monkeypatch.setattr("mi_llm.stamp.commit", lambda: None)  # a process of its own each time


def write_set(folder: Path, text: str, *, overwrite: bool = True) -> None:
    with stamped_set(inputs=[]) as (outputs, details):
        for name in NAMES:
            outputs.text(folder / name, overwrite=overwrite).write(f"{text} {name}")
        details["counts"] = {"out": 3}


def readable(folder: Path) -> dict[str, str]:
    """What a reader that asks first gets of each file: its text, or nothing if it is refused."""
    found = {}
    for name in NAMES:
        try:
            require_whole(folder / name)
        except InputError as error:
            found[name] = str(error)
        else:
            if (folder / name).exists():
                found[name] = (folder / name).read_text().split()[0]
    return {name: text for name, text in found.items() if AGAIN not in text}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("before", ["nothing", "an old set"])
def test_whatever_a_kill_leaves_of_a_set_is_old_or_new_or_refused(tmp_path: Path, before: str):
    again = before == "an old set"
    outcomes = set()
    for number in range(1, 100):
        folder = tmp_path / str(number)
        folder.mkdir()
        if again:
            write_set(folder, "old")
        work = partial(write_set, folder, "new", overwrite=again)
        was_killed = killed(work, folder, number)
        found = readable(folder)
        assert set(found.values()) in ({"old"}, {"new"}, set()), number
        outcomes |= set(found.values()) or {"refused or absent"}
        if was_killed:
            work()
        assert readable(folder) == dict.fromkeys(NAMES, "new")
        assert len(names(folder)) == 6, "a draft of the dead is left"
        if not was_killed:
            break
    assert number == 19  # each of 3 files and 3 stamps is made, opened and renamed
    assert outcomes == {"new", "refused or absent", *(["old"] if again else [])}


def test_each_stamp_of_a_set_names_the_hashes_of_the_others(tmp_path: Path):
    write_set(tmp_path, "new")
    stamps = {name: files.read_text(stamp_path(tmp_path / name)) for name in NAMES}
    for name in NAMES:
        for other in NAMES:
            assert files.sha256(tmp_path / other) in stamps[name]


def test_a_set_is_refused_where_one_of_it_was_changed_or_its_last_is_missing(tmp_path: Path):
    write_set(tmp_path, "new")
    (tmp_path / "test").write_text("by hand")
    with pytest.raises(InputError, match=r"train: .*test, written with it, is of another run, or"):
        require_whole(tmp_path / "train")
    (tmp_path / "test").unlink()
    require_whole(tmp_path / "train")  # the last of them: no kill leaves it without the others
    (tmp_path / "train").unlink()
    with pytest.raises(InputError, match=r"pairs: .*train, written with it, is missing; run again"):
        require_whole(tmp_path / "pairs")
    stamp_path(tmp_path / "pairs").unlink()
    require_whole(tmp_path / "pairs")  # what has no stamp is somebody's own


def test_a_folder_that_a_kill_kept_from_appearing_is_told_with_the_command(tmp_path: Path):
    def fill(made: Path) -> None:
        with stamped_folder(made, inputs=[]) as (draft, details):
            (draft / "a.csv").write_text("1")
            (draft / "book.xlsx").write_text("to be written in")
            details["counts"] = {}

    for number in range(1, 20):
        made = tmp_path / str(number) / "made"
        made.parent.mkdir()
        if killed(partial(fill, made), made.parent, number) and stamp_path(made).exists():
            break
    with pytest.raises(InputError, match="made: it is missing; run again: python -m converters"):
        require_whole(made)
    fill(made)
    (made / "book.xlsx").write_text("written in")
    require_whole(made)
    require_whole(made / "a.csv")
    (made / "a.csv").write_text("2")
    for path in (made, made / "a.csv"):
        with pytest.raises(InputError, match="is of another run, or was changed"):
            require_whole(path)


def test_an_output_left_by_a_killed_run_is_no_hindrance_but_a_changed_one_is(tmp_path: Path):
    write_set(tmp_path, "new")
    (tmp_path / "train").unlink()
    write_set(tmp_path, "newer", overwrite=False)  # the same command, nobody's work is lost
    (tmp_path / "train").unlink()
    (tmp_path / "test").write_text("by hand")
    with pytest.raises(InputError, match="test: exists; add --overwrite"):
        write_set(tmp_path, "newest", overwrite=False)
    assert (tmp_path / "test").read_text() == "by hand"


def test_an_output_of_another_command_is_not_replaced_though_one_of_its_set_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_set(tmp_path, "new")
    (tmp_path / "train").unlink()
    monkeypatch.setattr(sys, "argv", ["/x/converters/__main__.py", "split", "--seed", "2"])
    with pytest.raises(InputError, match="test: exists; add --overwrite"):
        write_set(tmp_path, "newer", overwrite=False)


def test_a_folder_that_was_moved_aside_comes_back(tmp_path: Path):
    def fill(word: str) -> None:
        with files.whole_folder(tmp_path / "made", overwrite=True) as draft:
            (draft / "a").write_text(word)

    states = []
    for number in range(1, 20):
        fill("old")
        was_killed = killed(partial(fill, "new"), tmp_path, number)
        states.append((tmp_path / "made" / "a").exists())
        files.refuse_existing_folder(tmp_path / "made", overwrite=True)  # as each command begins
        assert (tmp_path / "made" / "a").read_text() in ("old", "new")
        shutil.rmtree(tmp_path / "made")
        if not was_killed:
            break
    assert False in states  # the moment between the two renames was met
    fill("last")
    assert names(tmp_path) == ["made"]


def test_a_write_that_stops_short_leaves_what_was_there(tmp_path: Path):
    write_set(tmp_path, "old")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert not killed(lambda: write_set(tmp_path, "new " * 2000), tmp_path, 0, limit=4096)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_drafts_of_the_dead_are_swept_and_those_of_the_living_stay(tmp_path: Path):
    holds = "import sys, time; from pathlib import Path; from mi_llm import files\n"
    holds += "with files.whole(Path(sys.argv[1])): print('begun', flush=True); time.sleep(60)"
    both = [
        subprocess.Popen([sys.executable, "-c", holds, tmp_path / name], stdout=subprocess.PIPE)
        for name in ("dead", "living")
    ]
    for one in both:
        assert one.stdout
        assert one.stdout.readline() == b"begun\n"
    dead, living = both
    try:
        dead.kill()
        dead.wait()
        # The number of a process is soon another's: a lock tells, not the number.
        (tmp_path / f".0123abcd-{os.getpid()}-0.tmp").write_text("killed long ago")
        (tmp_path / ".zz-1.tmp").write_text("no draft")
        assert len(names(tmp_path)) == 4
        with files.whole(tmp_path / "other"):
            pass
        draft, mine, other = names(tmp_path)
        assert draft.endswith(f"-{living.pid}-0.tmp")
        assert (mine, other) == (".zz-1.tmp", "other")
    finally:
        living.kill()
        for one in both:
            one.communicate()


def special(folder: Path, kind: str) -> Path:
    path = folder / "out"
    if kind == "device":
        return Path("/dev/null")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "link to a file":
        (folder / "precious").write_text("precious")
        path.symlink_to(folder / "precious")
    elif kind == "link to a folder":
        (folder / "there").mkdir()
        path.symlink_to(folder / "there")
    else:
        path.symlink_to(folder / "nowhere")
    return path


SPECIAL = ["device", "pipe", "socket", "link to a file", "link to a folder", "link to nothing"]


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_link_a_device_and_their_like_are_refused_as_any_kind_of_output(
    tmp_path: Path, kind: str
):
    path = special(tmp_path, kind)
    before = sorted(tmp_path.rglob("*"))
    ways = (
        lambda: files.whole(path, overwrite=True),
        lambda: files.whole_path(path, overwrite=True),
        lambda: files.whole_folder(path, overwrite=True),
        lambda: stamped(path, inputs=[], overwrite=True),
    )
    for way in ways:
        with pytest.raises(InputError, match=r"out: is a link|(out|null): is a device"), way():
            pytest.fail("the block was entered")
    with pytest.raises(InputError, match=r"is a link|is a device"):
        files.refuse_no_folder(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_stamp_that_is_a_link_is_refused_before_the_work(tmp_path: Path):
    (tmp_path / "out.stamp.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"out\.stamp\.json: is a link"):
        files.refuse_existing(tmp_path / "out", overwrite=True)


def test_folders_on_the_way_may_be_links(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "saves").symlink_to(tmp_path / "disk")
    with stamped(tmp_path / "saves" / "a", inputs=[]) as (stream, _):
        stream.write("x")
    assert names(tmp_path / "disk") == ["a", "a.stamp.json"]


def test_an_output_that_is_an_input_is_refused_however_it_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = tmp_path / "in.jsonl"
    source.write_text("precious")
    (tmp_path / "linked").symlink_to(tmp_path)
    (tmp_path / "name").symlink_to(source)
    os.link(source, tmp_path / "hard")
    monkeypatch.chdir(tmp_path)
    spelled = ("in.jsonl", "./in.jsonl", str(source), "linked/in.jsonl", "linked/../in.jsonl")
    for inputs in (source, Path("in.jsonl"), Path("name")):
        for output in map(Path, (*spelled, "hard")):
            if output.exists():
                with (
                    pytest.raises(InputError, match="is read by this command"),
                    reading_from([inputs]),
                    files.whole(output, overwrite=True),
                ):
                    pytest.fail("the block was entered")
                with (
                    pytest.raises(InputError, match="is read by this command"),
                    stamped(output, inputs=[inputs], overwrite=True),
                ):
                    pytest.fail("the block was entered")
    assert source.read_text() == "precious"


def test_a_folder_that_holds_an_input_is_not_replaced(tmp_path: Path):
    (tmp_path / "books" / "deep").mkdir(parents=True)
    book = tmp_path / "books" / "deep" / "R1.xlsx"
    book.write_text("marks")
    with reading_from([book]), pytest.raises(InputError, match=r"books: holds .*R1\.xlsx"):
        files.refuse_existing_folder(tmp_path / "books", overwrite=True)
    assert book.read_text() == "marks"


def test_a_full_disk_is_told_with_the_name_of_the_output_not_of_its_draft(tmp_path: Path):
    told = tmp_path / "told"

    def fill() -> None:
        try:
            with files.whole_folder(tmp_path / "books") as draft, files.whole(draft / "key") as key:
                key.write("x" * 9999)
        except InputError as error:
            told.write_text(str(error))

    assert not killed(fill, tmp_path, 0, limit=4096)
    assert told.read_text() == f"{tmp_path}/books/key: cannot be written: file too large"
    assert names(tmp_path) == ["told"]


def test_a_full_disk_is_told_likewise_of_a_workbook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from openpyxl import Workbook

    def full(_: Workbook, path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Workbook, "save", full)
    with (
        pytest.raises(InputError) as told,
        files.whole_folder(tmp_path / "books") as draft,
    ):
        sheets.save(Workbook(), draft / "R1.xlsx")
    assert str(told.value) == (
        f"{tmp_path}/books/R1.xlsx: cannot be written: no space left on device"
    )
    assert names(tmp_path) == []


def test_a_full_disk_is_told_of_a_workbook_without_what_its_library_says_of_itself(tmp_path: Path):
    script = (
        "import resource, signal, sys, pathlib, openpyxl\n"
        "from mi_llm import sheets\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "try:\n    sheets.save(openpyxl.Workbook(), pathlib.Path(sys.argv[1]))\n"
        "except Exception as error:\n    print(error)\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "a.xlsx")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / 'a.xlsx'}: cannot be written: file too large\n"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []

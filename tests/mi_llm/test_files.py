from __future__ import annotations

from pathlib import Path

import pytest

from mi_llm import files
from mi_llm.errors import InputError


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class BrokenError(Exception):
    """Stands for any error in the middle of writing."""


def half_written(path: Path, error: BaseException, *, overwrite: bool = False) -> None:
    with files.whole(path, overwrite=overwrite) as stream:
        stream.write("half")
        raise error


def test_a_byte_order_mark_is_no_text(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf" + "你好".encode())
    assert files.read_text(tmp_path / "a") == "你好"


def test_a_file_in_gb18030_is_refused_with_the_command_that_converts_it(tmp_path: Path):
    # 你 is C4 E3 in GB 18030 (and GB 2312): C4 begins a two-byte sequence that E3 cannot continue.
    (tmp_path / "a").write_bytes(b"\xc4\xe3")
    with pytest.raises(InputError, match=r"a: not UTF-8 \(byte 0xc4\).*iconv -f gb18030 -t utf-8"):
        files.read_text(tmp_path / "a")


def test_a_missing_file_and_a_folder_cannot_be_read(tmp_path: Path):
    for read in (files.read_text, files.sha256):
        with pytest.raises(InputError, match="absent: no such file"):
            read(tmp_path / "absent")
        with pytest.raises(InputError, match="is a directory"):
            read(tmp_path)


def test_sha256_equals_the_test_vector_of_fips_180(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_a_file_appears_only_when_the_block_has_ended(tmp_path: Path):
    path = tmp_path / "new" / "deep" / "a.txt"
    with files.whole(path) as stream:
        stream.write("你好\n")
        assert not path.exists()
    assert path.read_bytes() == "你好\n".encode()
    assert tree(tmp_path) == ["new", "new/deep", "new/deep/a.txt"]


@pytest.mark.parametrize("error", [BrokenError(), KeyboardInterrupt(), InputError("x")])
def test_an_error_leaves_neither_file_nor_folder_and_passes_on(
    tmp_path: Path, error: BaseException
):
    (tmp_path / "there").mkdir()
    with pytest.raises(type(error)):
        half_written(tmp_path / "there" / "new" / "a.txt", error)
    assert tree(tmp_path) == ["there"]


def test_an_error_leaves_the_old_file_as_it_was(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(BrokenError):
        half_written(path, BrokenError(), overwrite=True)
    assert (tree(tmp_path), path.read_text()) == (["a.txt"], "old")


def test_folders_that_others_filled_meanwhile_stay(tmp_path: Path):
    def filled_by_another() -> None:
        with files.whole(tmp_path / "new" / "a.txt"):
            (tmp_path / "new" / "other.txt").touch()
            raise BrokenError

    with pytest.raises(BrokenError):
        filled_by_another()
    assert tree(tmp_path) == ["new", "new/other.txt"]


def test_an_existing_file_is_replaced_only_when_that_is_asked_for(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(InputError, match=r"a\.txt: exists; add --overwrite"), files.whole(path):
        pytest.fail("the block was entered")
    assert path.read_text() == "old"
    with files.whole(path, overwrite=True) as stream:
        stream.write("new")
    assert (tree(tmp_path), path.read_text()) == (["a.txt"], "new")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_is_never_replaced_by_a_file(tmp_path: Path, overwrite: bool):
    with (
        pytest.raises(InputError, match="is a folder; give a file's name"),
        files.whole(tmp_path, overwrite=overwrite),
    ):
        pytest.fail("the block was entered")


def test_a_parent_that_is_a_file_is_a_mistake_that_leaves_nothing(tmp_path: Path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(InputError, match="cannot be written"), files.whole(tmp_path / "a/b/c"):
        pytest.fail("the block was entered")
    assert (tree(tmp_path), (tmp_path / "a").read_text()) == (["a"], "old")


@pytest.mark.parametrize("length", [250, 300])
def test_a_name_too_long_for_the_disk_is_a_mistake_that_leaves_nothing(tmp_path: Path, length: int):
    # ext4, xfs, btrfs, APFS and NTFS allow 255; a draft's name is longer than the file's.
    path = tmp_path / "new" / ("x" * length)
    try:
        with files.whole(path) as stream:
            stream.write("text")
    except InputError:
        assert tree(tmp_path) == []
    else:
        assert tree(tmp_path) == ["new", f"new/{path.name}"]


def test_a_folder_appears_only_when_the_block_has_ended(tmp_path: Path):
    path = tmp_path / "made"
    with files.whole_folder(path) as draft:
        (draft / "a").write_text("x")
        assert not path.exists()
    assert tree(tmp_path) == ["made", "made/a"]


def test_an_error_leaves_an_old_folder_as_it_was_and_no_draft(tmp_path: Path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "old").touch()

    def half_filled() -> None:
        with files.whole_folder(tmp_path / "made", overwrite=True) as draft:
            (draft / "new").touch()
            raise BrokenError

    with pytest.raises(BrokenError):
        half_filled()
    assert tree(tmp_path) == ["made", "made/old"]


def test_a_filled_folder_is_replaced_whole_and_only_when_asked_for(tmp_path: Path):
    (tmp_path / "made").mkdir()
    with files.whole_folder(tmp_path / "made") as draft:  # an empty one may be filled
        (draft / "file").write_text("old")
    with (
        pytest.raises(InputError, match="exists; add --overwrite"),
        files.whole_folder(tmp_path / "made"),
    ):
        pytest.fail("the block was entered")
    with files.whole_folder(tmp_path / "made", overwrite=True) as draft:
        (draft / "file").write_text("new")
    assert tree(tmp_path) == ["made", "made/file"]
    assert (tmp_path / "made/file").read_text() == "new"


def test_a_file_is_never_replaced_by_a_folder(tmp_path: Path):
    (tmp_path / "a").write_text("old")
    with (
        pytest.raises(InputError, match="is a file; give a folder's name"),
        files.whole_folder(tmp_path / "a", overwrite=True),
    ):
        pytest.fail("the block was entered")
    assert (tmp_path / "a").read_text() == "old"

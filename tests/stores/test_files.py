from pathlib import Path

import pytest

from discovery.stores.files import remove_unfinished, replace_all
from tests.stores.conftest import Unprivileged


def everything(folder: Path) -> dict[str, str | None]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_files_come_with_their_folders_and_go_with_them(tmp_path: Path) -> None:
    first, second = tmp_path / "out/a/b/x.yaml", tmp_path / "out/a/b/y.yaml"
    replace_all({first: b"1", second: b"2"})
    assert (first.read_text(), second.read_text()) == ("1", "2")
    replace_all({first: None})
    assert everything(tmp_path) == {
        "out": None,
        "out/a": None,
        "out/a/b": None,
        "out/a/b/y.yaml": "2",
    }
    (tmp_path / "out/.lock").touch()
    replace_all({second: None})
    assert everything(tmp_path) == {"out": None, "out/.lock": ""}


def test_a_file_that_is_not_there_may_go(tmp_path: Path) -> None:
    replace_all({tmp_path / "x": None, tmp_path / "folder/y": None})
    assert everything(tmp_path) == {}


def test_a_content_that_can_not_be_stored_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").write_text("old")
    (tmp_path / "a/z").write_text("old")
    (tmp_path / "in-the-way").write_text("a file")
    before = everything(tmp_path)
    with pytest.raises(NotADirectoryError):
        replace_all(
            {
                tmp_path / "a/x": b"new",
                tmp_path / "a/z": None,
                tmp_path / "b/c/y": b"new",
                tmp_path / "in-the-way/y": b"new",
            }
        )
    assert everything(tmp_path) == before


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    full = tmp_path / "z.tailnet-discovery-new"
    full.symlink_to("/dev/full")
    (tmp_path / "a").write_text("old")
    with pytest.raises(OSError, match="No space left"):
        replace_all({tmp_path / "a": b"new", tmp_path / "z": b"new"})
    assert everything(tmp_path) == {"a": "old"}


def test_a_read_only_folder_changes_nothing(open_folder: Path, unprivileged: Unprivileged) -> None:
    for name in ("a", "b"):
        (open_folder / name).mkdir(mode=0o777)
        (open_folder / name).chmod(0o777)
        (open_folder / name / "x").write_text("old")
    (open_folder / "b").chmod(0o555)
    contents = {open_folder / "a/x": b"new", open_folder / "b/x": b"new"}
    said = unprivileged(lambda: replace_all(contents))
    assert said == f"Permission denied: {open_folder}/b/x.tailnet-discovery-new"
    assert everything(open_folder) == {"a": None, "a/x": "old", "b": None, "b/x": "old"}


def test_a_file_that_can_not_go_changes_nothing(
    open_folder: Path, unprivileged: Unprivileged
) -> None:
    for name in ("a", "b"):
        (open_folder / name).mkdir()
        (open_folder / name).chmod(0o777)
        (open_folder / name / "x").write_text("old")
    (open_folder / "b").chmod(0o555)
    contents = {open_folder / "a/x": b"new", open_folder / "b/x": None}
    said = unprivileged(lambda: replace_all(contents))
    assert said == f"Permission denied: {open_folder}/b/x"
    assert everything(open_folder) == {"a": None, "a/x": "old", "b": None, "b/x": "old"}


def test_a_reader_holds_the_old_file_whole_while_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with path.open() as reader:
        replace_all({path: b"new"})
        assert (reader.read(), path.read_text()) == ("old", "new")


def test_what_was_left_unfinished_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("x.yaml", "x.yaml.tailnet-discovery-new", "mine.new"):
        (tmp_path / "a/b" / name).touch()
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in (tmp_path / "a/b").iterdir()) == ["mine.new", "x.yaml"]

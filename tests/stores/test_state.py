from pathlib import Path

import pytest
import yaml

from discovery.stores import StoreError
from discovery.stores.state import dump, read

OBJECT = {"kind": "Service", "metadata": {"name": "api", "namespace": "default"}}


def test_what_was_dumped_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(dump([OBJECT, {**OBJECT, "spec": {"é": None}}]))
    assert read(path) == [OBJECT, {**OBJECT, "spec": {"é": None}}]


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "x.yaml") == []


def test_documents_have_no_anchors() -> None:
    assert b"&" not in dump([{"a": OBJECT, "b": OBJECT}])


@pytest.mark.parametrize("text", ["1e3", "0o17", "010", "1_000", "0x1f", "true", "null", "on", "~"])
def test_text_that_is_a_number_elsewhere_is_quoted(text: str) -> None:
    assert dump([{"hostname": text}]).decode() == f"---\nhostname: '{text}'\n"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"{", "no YAML"),
        (b"\xff\xfe\xff", "no YAML"),
        (b"- 1", "no Kubernetes object with name and namespace"),
        (b"---\n---\n", "no Kubernetes object with name and namespace"),
        (b"metadata: {name: api}", "no Kubernetes object with name and namespace"),
        (b"metadata: {name: 1, namespace: a}", "no Kubernetes object with name and namespace"),
    ],
)
def test_a_file_that_is_something_else_is_named_with_the_way_out(
    tmp_path: Path, content: bytes, found: str
) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(StoreError) as raised:
        read(path)
    assert str(raised.value) == (
        f"the last state can not be read: {found} ({path}). Mend the file, or remove the folder "
        "to start anew"
    )


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"can not read the last state: Is a directory \("):
        read(tmp_path)


def test_yaml_reads_what_kubernetes_reads() -> None:
    assert yaml.safe_load(dump([{"a": "1e3", "b": 1.5}])) == {"a": "1e3", "b": 1.5}

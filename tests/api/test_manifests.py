import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from discovery.manifests import Loaded, Where, load, parse_document, parse_text

Make = Callable[..., dict[str, Any]]

GOOD = """\
apiVersion: gateway.tailscale.com/v1alpha1
kind: TailscaleEndpoints
metadata:
  name: {name}
spec:
  tailnet: company.ts.net
  endpoints: []
"""


def lines(loaded: Loaded) -> list[str]:
    return [str(problem) for problem in loaded.problems]


def keys(loaded: Loaded) -> list[str]:
    return [str(manifest.resource.key) for manifest in loaded.resources]


def test_files_folders_and_documents_are_loaded_by_key(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "b.yml").write_text(GOOD.format(name="two") + "---\n" + GOOD.format(name="one"))
    (tmp_path / "below/c.json").write_text(json.dumps({"kind": "ConfigMap", "apiVersion": "v1"}))
    (tmp_path / "below/a.yaml").write_text(GOOD.format(name="three"))
    (tmp_path / "notes.txt").write_text("not: [read")
    loaded = load([tmp_path])
    assert keys(loaded) == ["default/one", "default/three", "default/two"]
    assert (loaded.problems, loaded.ignored) == ((), 1)
    places = {m.resource.metadata.name: (Path(m.path).name, m.document) for m in loaded.resources}
    assert places == {"one": ("b.yml", 2), "two": ("b.yml", 1), "three": ("a.yaml", 1)}


def test_the_object_is_kept_as_written() -> None:
    text = GOOD.format(name="api") + "  note: kept\n"
    (manifest,) = parse_text(text, "a.yaml").resources
    assert manifest.raw["spec"] == {"tailnet": "company.ts.net", "endpoints": [], "note": "kept"}


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    for name in (".a.yaml", "..data/b.yaml", "c.yaml"):
        (tmp_path / name).write_text(GOOD.format(name="api"))
    loaded = load([tmp_path])
    assert (keys(loaded), loaded.problems) == (["default/api"], ())


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(GOOD.format(name="api"))
    loaded = load([file, tmp_path, str(file)])
    assert (keys(loaded), loaded.problems) == (["default/api"], ())


def test_a_name_that_is_there_already_names_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.format(name="api"))
    (tmp_path / "b.yaml").write_text("---\n---\n" + GOOD.format(name="api"))
    loaded = load([tmp_path])
    assert [m.path for m in loaded.resources] == [f"{tmp_path}/a.yaml"]
    assert lines(loaded) == [
        (
            f"{tmp_path}/b.yaml: error: metadata.name: is there already: {tmp_path}/a.yaml "
            "(document 1) has the same name (document 2, default/api)"
        )
    ]


def test_the_same_name_in_another_namespace_is_another_resource() -> None:
    other = GOOD.format(name="api\n  namespace: web")
    loaded = parse_text(GOOD.format(name="api") + "---\n" + other, "a.yaml")
    assert keys(loaded) == ["default/api", "web/api"]


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = GOOD.format(name="api_1").encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert lines(load(["-"]))[0].startswith("standard input:4: error: metadata.name: must be")


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.format(name="api").encode())
    assert keys(load([tmp_path / "a.yaml"])) == ["default/api"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: \xff", "error: is no UTF-8 text: byte 3 is wrong"),
        (b"a: [", "error: is no YAML: "),
        (b"a: 1\na: 2\n", "error: a: stands twice in one mapping, first in line 1 (document 1)"),
        (b"just text", "error: must be an object with apiVersion, kind, metadata and spec"),
        (b"- 1", "error: must be an object with apiVersion, kind, metadata and spec"),
        (b"a: 1", "error: kind: is required in every document (document 1)"),
        (b"kind: 3", "error: kind: is required in every document (document 1)"),
    ],
)
def test_content_that_is_no_manifest(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    (line,) = lines(load([file]))
    assert problem in line
    assert line.startswith(f"{file}:")
    assert not load([file]).problems[0].unreadable


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"#" * (8 * 1024 * 1024 + 1))
    assert lines(load([file])) == [
        f"{file}: error: is larger than 8 MiB: split it, or name the right file"
    ]


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    loaded = load([tmp_path / "missing.yaml"])
    assert lines(loaded) == [
        f"{tmp_path}/missing.yaml: error: can not be read: No such file or directory"
    ]
    assert loaded.problems[0].unreadable


def test_a_path_that_can_be_no_path() -> None:
    (problem,) = load(["a\0.yaml"]).problems
    assert (problem.unreadable, problem.message) == (True, "can not be read: embedded null byte")


def test_a_folder_without_manifests(tmp_path: Path) -> None:
    (problem,) = load([tmp_path]).problems
    assert problem.unreadable
    assert problem.message == "holds no file that ends in .yaml, .yml, .json"


def test_a_folder_that_must_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert lines(load([tmp_path])) == [f"{tmp_path}: error: can not be read: Permission denied"]


def test_other_readable_files_are_loaded_beside_a_wrong_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [")
    (tmp_path / "b.yaml").write_text(GOOD.format(name="api"))
    loaded = load([tmp_path, tmp_path / "missing"])
    assert keys(loaded) == ["default/api"]
    assert len(loaded.problems) == 2


def test_a_list_is_taken_apart(object_of: Make) -> None:
    items = [object_of("one", endpoints=[]), {"kind": "Service"}, object_of("two")]
    raw = {"apiVersion": "v1", "kind": "List", "items": items}
    loaded = parse_document(raw, Where("list.json", 4))
    assert (keys(loaded), loaded.ignored) == (["default/one"], 1)
    (problem,) = loaded.problems
    assert (problem.resource, problem.field, problem.document) == ("default/two", "spec", 4)


def test_lines_in_a_list_are_lines_of_the_file() -> None:
    text = "kind: TailscaleEndpointsList\nitems:\n- kind: Service\n- kind: TailscaleEndpoints\n"
    (problem,) = parse_text(text, "a.yaml").problems
    assert (problem.line, problem.field) == (4, "apiVersion")


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("gateway.tailscale.com/v1", "TailscaleEndpoints"),
        ("tailscale.com/v1alpha1", "TailscaleEndpoints"),
        ("gateway.tailscale.com/v1alpha1", "TailscaleEndpoint"),
        ("gateway.tailscale.com/v1alpha1", "tailscaleendpoints"),
    ],
)
def test_a_version_or_kind_that_is_nearly_ours_is_an_error(
    object_of: Make, version: str, kind: str
) -> None:
    raw = {**object_of(endpoints=[]), "apiVersion": version, "kind": kind}
    loaded = parse_document(raw, Where("a.yaml"))
    (problem,) = loaded.problems
    assert problem.field in {"apiVersion", "kind"}
    assert problem.is_error
    assert loaded.ignored == 0


def test_other_kinds_of_our_group_are_others(object_of: Make) -> None:
    raw = {**object_of(), "kind": "TailscaleGateway"}
    assert parse_document(raw, Where("a.yaml")) == Loaded(ignored=1)


def test_problems_of_a_document_come_in_the_order_of_its_lines() -> None:
    text = GOOD.format(name="api") + (
        "  mod: Observe\n  mode: observe\n  tagSelectors:\n  - {key: env, operator: In}\n"
    )
    found = parse_text(text, "a.yaml").problems
    assert [(problem.line, problem.severity.value, problem.field) for problem in found] == [
        (8, "warning", "spec.mod"),
        (9, "error", "spec.mode"),
        (11, "error", "spec.tagSelectors[0].values"),
    ]
    assert str(found[1]) == (
        "a.yaml:9: error: spec.mode: must be one of Enforce, Observe; did you mean Observe? "
        "(document 1, default/api)"
    )


def test_a_problem_is_one_line_whatever_the_file_holds(object_of: Make) -> None:
    raw = object_of(endpoints=[], **{"a\n\x1b[31m": 1})
    (line,) = lines(parse_document(raw, Where("a.yaml")))
    assert line.isprintable()
    assert "a\\n\\x1b[31m" in line


def test_loading_never_edits_what_it_was_given(object_of: Make) -> None:
    raw = object_of(endpoints=[], service=None, unknown={"x": None})
    before = json.dumps(raw)
    parse_document(raw, Where("a.yaml"))
    assert json.dumps(raw) == before

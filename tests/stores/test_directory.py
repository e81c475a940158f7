import asyncio
import logging
from pathlib import Path

import pytest

from discovery.plan.changes import Action, Change
from discovery.stores import Children, StoreError
from discovery.stores.directory import DirectoryStore
from discovery.v1alpha1 import Key
from discovery.v1alpha1_status import TailscaleEndpointsStatus
from tests.stores.conftest import MANIFEST

API, WEB = Key("default", "api"), Key("default", "web")
SERVICE = {"kind": "Service", "metadata": {"name": "api", "namespace": "default"}}
STATUS = TailscaleEndpointsStatus(total_endpoints=3)


def opened(manifests: Path, out: Path | None) -> DirectoryStore:
    store = DirectoryStore([manifests], out)
    store.refresh()
    return store


async def reported(manifests: Path, out: Path) -> DirectoryStore:
    store = opened(manifests, out)
    await store.report(API, STATUS)
    await store.flush()
    return store


def change(name: str, action: Action = Action.CREATE) -> Change:
    manifest = {"kind": "Service", "metadata": {"name": name, "namespace": "default"}}
    after = None if action is Action.DELETE else manifest
    return Change(action, "Service", "default", name, "", None, after)


def test_a_new_resource_has_a_uid_of_its_name_and_generation_1(manifests: Path, out: Path) -> None:
    first, second = (opened(manifests, out).get(API) for _ in range(2))
    assert first is not None
    assert first == second
    assert (first.metadata.generation, first.status) == (1, None)
    assert first.metadata.uid == "88293dce-36c1-5b41-82ee-bb264dca3f8f"


async def test_the_last_status_is_the_one_that_was_flushed(manifests: Path, out: Path) -> None:
    resource = (await reported(manifests, out)).get(API)
    assert resource is not None
    assert resource.status == STATUS


async def test_a_file_whose_content_stays_is_not_written(manifests: Path, out: Path) -> None:
    store = await reported(manifests, out)
    before = (out / "default/api/status.yaml").stat()
    await store.report(API, STATUS)
    await store.flush()
    assert (out / "default/api/status.yaml").stat() == before


async def test_a_restart_continues_from_the_status_on_disk(manifests: Path, out: Path) -> None:
    await reported(manifests, out)
    again = opened(manifests, out).get(API)
    assert again is not None
    assert (again.metadata.generation, again.status) == (1, STATUS)


async def test_the_generation_moves_with_the_spec_only(manifests: Path, out: Path) -> None:
    await reported(manifests, out)
    text = MANIFEST.format(name="api", value="production")
    (manifests / "api.yaml").write_text(text.replace("{name:", "{labels: {a: b}, name:"))
    same = opened(manifests, out).get(API)
    (manifests / "api.yaml").write_text(MANIFEST.format(name="api", value="staging"))
    edited = opened(manifests, out).get(API)
    assert same is not None
    assert edited is not None
    assert (same.metadata.generation, edited.metadata.generation) == (1, 2)


async def test_a_manifest_with_an_unknown_field_has_a_memory_too(
    manifests: Path, out: Path
) -> None:
    text = MANIFEST.format(name="api", value="production")
    (manifests / "api.yaml").write_text(f"{text}  bogus: 1\n")
    await reported(manifests, out)
    again = opened(manifests, out).get(API)
    assert again is not None
    assert (again.metadata.generation, again.status) == (1, STATUS)


def test_refresh_tells_what_came_changed_and_went_once(manifests: Path, out: Path) -> None:
    store = DirectoryStore([manifests], out)
    assert store.refresh() == {API}
    assert store.refresh() == set()
    (manifests / "web.yaml").write_text(MANIFEST.format(name="web", value="a"))
    assert store.refresh() == {WEB}
    (manifests / "web.yaml").write_text(MANIFEST.format(name="web", value="bb"))
    assert store.refresh() == {WEB}
    (manifests / "web.yaml").unlink()
    assert store.refresh() == {WEB}
    assert store.get(WEB) is None
    assert store.keys() == {API}


def test_a_manifest_that_becomes_unreadable_counts_as_what_it_was(
    manifests: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (manifests / "web.yaml").write_text(MANIFEST.format(name="web", value="a"))
    store = opened(manifests, out)
    (manifests / "web.yaml").write_text("kind: [")
    (manifests / "api.yaml").write_text(MANIFEST.format(name="api", value="staging"))
    with caplog.at_level(logging.WARNING):
        assert store.refresh() == {API}
        (manifests / "api.yaml").write_text(MANIFEST.format(name="api", value="production"))
        store.refresh()
    assert store.get(WEB) is not None
    assert [record.message for record in caplog.records] == ["manifest problem"]
    assert store.problems[0].path == str(manifests / "web.yaml")


def test_a_folder_that_vanishes_takes_no_resource_with_it(manifests: Path, out: Path) -> None:
    store = opened(manifests, out)
    manifests.rename(manifests.with_name("elsewhere"))
    assert store.refresh() == set()
    assert store.get(API) is not None


async def test_a_last_state_that_can_not_be_read_holds_up_the_edit_until_it_can(
    manifests: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = await reported(manifests, out)
    path = out / "default/api/status.yaml"
    whole = path.read_bytes()
    path.write_text("{")
    (manifests / "api.yaml").write_text(MANIFEST.format(name="api", value="staging"))
    (manifests / "web.yaml").write_text(MANIFEST.format(name="web", value="a"))
    assert store.refresh() == {WEB}
    assert store.refresh() == set()
    assert [record.message for record in caplog.records] == ["manifest not taken"]
    held = store.get(API)
    assert held is not None
    assert store.keys() == {API, WEB}
    assert held.spec.tag_selectors[0].values == ("production",)
    path.write_bytes(whole)
    assert store.refresh() == {API}
    edited = store.get(API)
    assert edited is not None
    assert (edited.metadata.generation, store.unreadable) == (2, {})


async def test_a_new_manifest_with_an_unreadable_state_is_neither_there_nor_gone(
    manifests: Path, out: Path
) -> None:
    await reported(manifests, out)
    (out / "default/api/status.yaml").write_text("kind: nothing\n")
    store = opened(manifests, out)
    assert store.keys() == set()
    with pytest.raises(StoreError, match="the last state can not be read"):
        store.get(API)


async def test_a_status_that_was_never_ours_is_named(manifests: Path, out: Path) -> None:
    path = out / "default/api/status.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("metadata: {name: api, namespace: default}")
    assert "not what was written there" in str(opened(manifests, out).unreadable[API])


async def test_what_is_left_of_a_resource_has_a_key(manifests: Path, out: Path) -> None:
    await reported(manifests, out)
    (manifests / "api.yaml").rename(manifests / "web.yaml")
    (manifests / "web.yaml").write_text(MANIFEST.format(name="web", value="a"))
    store = DirectoryStore([manifests], out)
    assert store.refresh() == {API, WEB}
    assert store.keys() == {API, WEB}
    assert store.get(API) is None
    await store.remove(API)
    await store.flush()
    assert store.keys() == {WEB}


async def test_changes_are_seen_only_after_a_flush(manifests: Path, out: Path) -> None:
    store = opened(manifests, out)
    await store.apply(API, [[change("b"), change("a")]])
    assert await store.children(API) == Children()
    await store.flush()
    assert [one["metadata"]["name"] for one in (await store.children(API)).services] == ["a", "b"]
    await store.apply(API, [[change("a", Action.DELETE), change("b", Action.DELETE)]])
    await store.flush()
    assert not (out / "default").exists()


def test_a_flush_that_fails_forgets_what_was_staged_and_reported(
    manifests: Path, out: Path
) -> None:
    store = opened(manifests, out)
    asyncio.run(store.apply(API, [[change("a")]]))
    asyncio.run(store.report(API, STATUS))
    out.write_text("a file")
    with pytest.raises(StoreError, match=r"can not write the output: Not a directory \("):
        asyncio.run(store.flush())
    resource = store.get(API)
    assert resource is not None
    assert resource.status is None
    out.unlink()
    asyncio.run(store.flush())
    assert not out.exists()


async def test_a_file_that_holds_no_slice_is_named(manifests: Path, out: Path) -> None:
    path = out / "default/api/endpointslices.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("metadata: {name: api, namespace: default}")
    with pytest.raises(StoreError, match=r"no EndpointSlice: 'addressType' \("):
        await opened(manifests, out).children(API)


async def test_without_an_output_folder_nothing_exists_and_nothing_is_written(
    manifests: Path,
) -> None:
    store = opened(manifests, None)
    assert store.keys() == {API}
    assert await store.children(API) == Children()
    for attempt in (
        store.apply(API, [[change("a")]]),
        store.report(API, STATUS),
        store.remove(API),
    ):
        with pytest.raises(StoreError, match="nothing can be written without an output folder"):
            await attempt


def test_the_lock_is_held_by_one_and_ends_with_its_file(manifests: Path, out: Path) -> None:
    store = DirectoryStore([manifests], out)
    lock = store.lock()
    assert lock is not None
    assert DirectoryStore([manifests], out).lock() is None
    lock.close()
    again = store.lock()
    assert again is not None
    again.close()


def test_an_output_that_can_not_be_made_is_named(manifests: Path, out: Path) -> None:
    out.write_text("a file")
    with pytest.raises(StoreError, match=r"can not write the output: File exists \("):
        DirectoryStore([manifests], out).lock()

import asyncio
import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from discovery.clients import inventory
from discovery.clients.errors import InventoryError
from discovery.clients.inventory import InventoryFile

ONE = b'{"devices":[{"nodeId":"n1","addresses":["100.64.0.1"]}]}'
TWO = b'{"devices":[{"nodeId":"n1","addresses":["100.64.0.1"]},{"nodeId":"n2","addresses":[]}]}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "devices.json"
    path.write_bytes(ONE)
    return path


async def failure(path: str | Path) -> InventoryError:
    with pytest.raises(InventoryError) as caught:
        await InventoryFile(path).devices()
    return caught.value


async def names(source: InventoryFile) -> list[str]:
    return [device.node_id for device in (await source.devices()).devices]


async def test_devices_come_from_the_file(file: Path) -> None:
    assert await names(InventoryFile(file)) == ["n1"]
    assert await names(InventoryFile(str(file))) == ["n1"]


async def test_the_file_is_read_anew_each_time(file: Path) -> None:
    source = InventoryFile(file)
    assert await names(source) == ["n1"]
    await asyncio.to_thread(file.write_bytes, TWO)
    assert await names(source) == ["n1", "n2"]


async def test_unchanged_devices_are_the_objects_of_the_previous_list(file: Path) -> None:
    source = InventoryFile(file)
    first = await source.devices()
    assert await source.devices(first) is first
    await asyncio.to_thread(file.write_bytes, TWO)
    assert (await source.devices(first)).devices[0] is first.devices[0]


async def test_stdin_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(ONE)))
    source = InventoryFile("-")
    assert await names(source) == ["n1"]
    assert await names(source) == ["n1"]


async def test_an_error_about_stdin_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    assert str(await failure("-")) == "the body is empty, not a device list (stdin)"


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    expected = f"the inventory can not be read: No such file or directory ({path})"
    assert str(await failure(path)) == expected


async def test_a_folder(tmp_path: Path) -> None:
    expected = f"the inventory can not be read: Is a directory ({tmp_path})"
    assert str(await failure(tmp_path)) == expected


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"devices:\n- nodeId: n1\n", "not JSON"),
        (b"[]", "got `array`"),
        (b'{"vipServices":[]}', "vipServices"),
        (ONE[:-1], "truncated"),
    ],
)
async def test_a_file_that_holds_no_device_list(file: Path, content: bytes, problem: str) -> None:
    await asyncio.to_thread(file.write_bytes, content)
    error = await failure(file)
    assert problem in error.message
    assert error.where == str(file)


async def test_a_file_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "BODY_LIMIT", 1000)
    assert "larger than 1000 bytes" in (await failure("/dev/zero")).message

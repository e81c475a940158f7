"""What is fed: each target takes bytes and accepts what its module documents, nothing else.

An exception that leaves a target is a defect: of the module, or of its documentation.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path

from discovery.clients.devices import decode_device, decode_devices
from discovery.clients.errors import MalformedAnswerError
from discovery.manifests import load as load_manifests
from discovery.plan.gate import exclusion
from discovery.settings import ConfigError, read_credentials
from discovery.settings import load as load_settings
from discovery.tailnet import Device

Target = Callable[[bytes], None]

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DENIED = (ip_network("100.64.0.0/24"),)
_SHM = Path("/dev/shm")  # noqa: S108 - the fuzzed files are rewritten thousands of times


def device_list(body: bytes) -> None:
    """Feed the decoder of device lists, as the client and an inventory file do."""
    try:
        listed = decode_devices(body, where="here")
    except MalformedAnswerError as error:
        _is_for_people(str(error))
        return
    _can_be_evaluated(listed.devices)
    for unknown in listed.unknown:
        _is_for_people(unknown.problem)
    assert decode_devices(body, where="here") == listed


def one_device(body: bytes) -> None:
    """Feed the decoder of the answer about a single device."""
    try:
        device = decode_device(body, where="here")
    except MalformedAnswerError as error:
        _is_for_people(str(error))
        return
    _can_be_evaluated([device])


def manifests(content: bytes) -> None:
    """Feed the loader of manifests, which reports problems and never raises."""
    with _file(content, ".yaml") as path:
        loaded = load_manifests([path])
    for problem in loaded.problems:
        _is_for_people(str(problem))
    for manifest in loaded.resources:
        assert manifest.resource.to_object()["kind"] == "TailscaleEndpoints"


def configuration(content: bytes) -> None:
    """Feed the loader of the configuration file, and read the credentials that it names."""
    with _file(content, ".yaml") as path:
        for problem in _problems(path):
            _is_for_people(problem)


def _problems(path: Path) -> tuple[str, ...]:
    """Return what is wrong with a configuration, or nothing once all of it was used."""
    try:
        loaded = load_settings(path, environ={})
        loaded.rows()
        for tailnet in loaded.settings.tailnets:
            read_credentials(tailnet)
    except ConfigError as error:
        return error.problems or ("",)
    return ()


TARGETS: dict[str, Target] = {
    target.__name__: target for target in (device_list, one_device, manifests, configuration)
}


def _is_for_people(text: str) -> None:
    """Hold a message to what a terminal and a log can show: one line, nothing else in it."""
    assert text.strip()
    assert text.isprintable(), repr(text)


def _can_be_evaluated(devices: Iterable[Device]) -> None:
    for device in devices:
        assert device.node_id
        for address in device.addresses:
            ip_address(address)
        exclusion(device, DENIED, NOW)
        repr(device).encode()  # what a file or an API server is sent


@contextmanager
def _file(content: bytes, suffix: str) -> Iterator[Path]:
    """Hold the content in a file, in memory where the machine has such a folder."""
    folder = _SHM if _SHM.is_dir() else None
    with tempfile.NamedTemporaryFile(suffix=suffix, dir=folder) as file:
        file.write(content)
        file.flush()
        yield Path(file.name)

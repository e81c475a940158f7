"""No fault of the list loses its test unnoticed."""

import subprocess
import sys
from pathlib import Path

FAULTS = {
    "api_down_after_cache_expiry",
    "bad_target_isolated",
    "device_becomes_service",
    "dual_slice_reader",
    "eg_port_fields_present",
    "empty_devices_200",
    "http_429_html_body",
    "identity_reset",
    "ipv6_literal_everywhere",
    "key_prefix_collision",
    "list_without_watch_rbac",
    "partial_devices_200",
    "probe_secret_not_leaked",
    "recreated_device_new_ip",
    "restart_under_api_outage",
    "secret_rotated_live",
    "selector_and_or",
    "status_unchanged_no_write",
    "two_replicas_same_time",
    "undesired_child_repaired",
}


def test_each_fault_is_a_test_that_is_collected() -> None:
    folder = Path(__file__).parent
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", str(folder)]
    listed = subprocess.run(  # noqa: S603
        command, cwd=folder.parents[1], capture_output=True, text=True, check=True
    )
    names = [line.partition("::")[2] for line in listed.stdout.splitlines() if "::" in line]
    collected = {name.partition("[")[0].removeprefix("test_") for name in names}
    assert FAULTS - collected == set()

from tests.controlplane.access import CRD_PATH, ControlPlane


def test_the_crd_is_accepted_and_served(control_plane: ControlPlane) -> None:
    path = f"{CRD_PATH}/tailscaleendpoints.gateway.tailscale.com"
    conditions = control_plane.api.get(path).json()["status"]["conditions"]
    assert {each["type"]: each["status"] for each in conditions} == {
        "NamesAccepted": "True",
        "Established": "True",
    }

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from discovery.settings import ConfigError, Settings, load
from discovery.settings.environment import known_variables

KEYS = [*sorted({str(s) for v in known_variables() for s in v.path if s != "N"}), "grants", "x"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["a.ts.net", "60s", "tag:env", "info", "File", "https://x", "file:///x", ":1", "10.0.0.0/8"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=20,
)
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4) | VALUES
NAMES = st.sampled_from(
    [v.name.replace("_N", "_0") for v in known_variables()]
    + ["TS_API_KEY", "TS_API_CLIENT_ID", "TS_BASE_URL", "TS_TAILNET"]
    + ["TAILNET_DISCOVERY_TAILNETS_7_NAME", "TAILNET_DISCOVERY_X"]
)
ENVIRONMENTS = st.dictionaries(NAMES, st.text(max_size=8) | st.sampled_from(["a.ts.net", "1m"]))


def load_or_refuse(path: Path | None, environ: dict[str, str]) -> None:
    with contextlib.suppress(ConfigError):
        loaded = load(path, environ=environ)
        assert isinstance(loaded.settings, Settings)
        assert loaded.rows()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "td.yaml"


@given(document=DOCUMENTS, environ=ENVIRONMENTS)
def test_any_document_gives_settings_or_a_config_error(
    path: Path, document: Any, environ: dict[str, str]
) -> None:
    path.write_text(yaml.safe_dump(document, allow_unicode=False))

    load_or_refuse(path, environ)


@given(
    content=st.binary(max_size=60)
    | st.text("-:[]{}&*!|>'\"#%@ \n\ta1.", max_size=40).map(str.encode)
)
def test_any_bytes_give_settings_or_a_config_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    load_or_refuse(path, {})


@given(environ=ENVIRONMENTS)
def test_any_environment_gives_settings_or_a_config_error(environ: dict[str, str]) -> None:
    load_or_refuse(None, environ)

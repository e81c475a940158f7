from collections.abc import Callable
from pathlib import Path

import pytest

from discovery.settings import ConfigError, Settings, load

Load = Callable[..., Settings]
Refuse = Callable[..., tuple[str, ...]]


@pytest.fixture
def load_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a file with this text from the current directory, so that its name is short."""
    monkeypatch.chdir(tmp_path)

    def load_it(text: str, **environ: str) -> Settings:
        Path("td.yaml").write_text(text)
        return load(Path("td.yaml"), environ=environ).settings

    return load_it


@pytest.fixture
def problems(load_text: Load) -> Refuse:
    def refuse(text: str, **environ: str) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as raised:
            load_text(text, **environ)
        return raised.value.problems

    return refuse

"""`dev.py test --comfy DIR`: which of a ComfyUI's requirements .venv does not meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools import beside_venv
from devtools.comfy.requirements import unmet


@pytest.mark.parametrize(
    ("line", "lacking"),
    [
        ("pytest", False),
        ("PyTest>=1", False),
        ("pytest>=1000  # newer than there will be", True),
        ("no-such-package-of-anybody==1.0", True),
        ("no-such-package-of-anybody==1.0; sys_platform == 'nowhere'", False),
        ("#non essential dependencies:", False),
        ("", False),
        ("--extra-index-url https://example.org", False),
        ("git+https://example.org/some.git", False),
    ],
)
def test_a_line_is_lacking_where_its_package_is_absent_or_of_another_version(
    line: str, lacking: bool
) -> None:
    assert list(unmet([line])) == ([line.partition(" #")[0].strip()] if lacking else [])


def test_a_comfyui_whose_requirements_are_met_runs_in_venv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr(beside_venv, "PYTHON", Path(sys.executable))
    assert beside_venv.comfy_environment(None) == Path(sys.executable)
    assert beside_venv.comfy_environment(tmp_path) == Path(sys.executable)
    asks = tmp_path / "requirements.txt"
    asks.write_text("pytest\ncomfyui-workflow-templates==0.0.1\n", encoding="utf-8")
    assert beside_venv.comfy_environment(tmp_path) == Path(sys.executable)
    asks.write_text("pytest\nno-such-package-of-anybody==1.0\n", encoding="utf-8")
    assert beside_venv._unmet(Path(sys.executable), asks) == ["no-such-package-of-anybody==1.0"]

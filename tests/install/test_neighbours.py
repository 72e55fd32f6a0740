"""What installing the pack does to a typical environment that other packs share.

A throw-away environment gets what such an environment has; then pip says, without doing it, what it would add
or change. The two things a person should know before installing are asserted, so that README stays true:

- OpenCV: opencv-python-headless is added beside the OpenCV that is there. Both fill the same `cv2` folder,
  and the one written last wins.
- numpy: the newest opencv-python-headless asks for numpy 2, so numpy 1.26 is replaced, unless pip is told to
  keep it or an opencv-python-headless is there already.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
# the newest of each that exists for this Python and is older than what pip would choose today
OLD_ENOUGH = {
    (3, 10): ("onnxruntime==1.20.1", "numpy==1.26.4", "opencv-contrib-python==4.10.0.84"),
    (3, 11): ("onnxruntime==1.20.1", "numpy==1.26.4", "opencv-contrib-python==4.10.0.84"),
    (3, 12): ("onnxruntime==1.20.1", "numpy==1.26.4", "opencv-contrib-python==4.10.0.84"),
    # numpy 1.26 has no wheel for Python 3.13, so its people have numpy 2 already
    (3, 13): ("onnxruntime==1.20.1", "numpy==2.1.3", "opencv-contrib-python==4.10.0.84"),
}

# What is installed or judged here in other versions than the lock's.
NOT_LOCKED = {"numpy", "onnxruntime", "opencv-contrib-python", "opencv-python-headless"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def locked(tmp_path_factory) -> tuple[str, ...]:
    """pip's option for all other locked versions, so that only a new lock, or `dev.py test --newest`, brings
    new ones.
    """
    lock = ROOT / "constraints" / f"py{sys.version_info[0]}{sys.version_info[1]}.txt"
    if "VRAMWISE_TEST_TOOLS" in os.environ or not lock.is_file():
        return ()
    lines = lock.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.partition("==")[0] not in NOT_LOCKED]
    constraints = tmp_path_factory.mktemp("locked") / "constraints.txt"
    constraints.write_text("\n".join(kept), encoding="utf-8")
    return ("-c", str(constraints))


def pip(environment: Path, *arguments: str) -> str:
    """This environment's pip at work in ``environment``, which has none of its own."""
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "--disable-pip-version-check",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def installed(environment: Path) -> dict[str, Version]:
    (folder,) = environment.glob("Lib/site-packages" if sys.platform == "win32" else "lib/*/site-packages")
    found = metadata.distributions(path=[str(folder)])
    return {canonicalize_name(package.metadata["Name"]): Version(package.version) for package in found}


def changes(environment: Path, *more: str) -> dict[str, Version]:
    """What `pip install -r requirements.txt` would add or replace."""
    arguments = (
        "install",
        "--dry-run",
        "--quiet",
        "--report",
        "-",
        "-r",
        str(ROOT / "requirements.txt"),
        *more,
    )
    planned = json.loads(pip(environment, *arguments))["install"]
    return {
        canonicalize_name(package["metadata"]["name"]): Version(package["metadata"]["version"])
        for package in planned
    }


def tell(title: str, before: dict[str, Version], planned: dict[str, Version]) -> None:
    print(f"\n{title}")
    for name, version in sorted(planned.items()):
        print(f"  {name}: {before[name]} -> {version}" if name in before else f"  {name}: added, {version}")


@pytest.fixture(scope="module")
def typical(tmp_path_factory, locked):
    names = OLD_ENOUGH.get(sys.version_info[:2])
    if names is None:
        pytest.skip("This Python is newer than the environments that this test knows; add it to OLD_ENOUGH.")
    environment = tmp_path_factory.mktemp("typical") / "venv"
    venv.create(environment)
    pip(
        environment,
        "install",
        "--quiet",
        "--no-compile",
        "--only-binary",
        ":all:",
        *locked,
        *names,
        "pillow",
        "pyyaml",
        "psutil",
        "tqdm",
    )
    return environment


@pytest.fixture(scope="module")
def before(typical):
    return installed(typical)


@pytest.fixture(scope="module")
def planned(typical, before, locked):
    found = changes(typical, *locked)
    tell("pip install -r requirements.txt, in an environment with opencv-contrib-python:", before, found)
    return found


def test_the_neighbours_keep_their_versions(before, planned):
    replaced = {name for name in planned if name in before}
    assert replaced <= {"numpy"}
    for never in (
        "onnxruntime",
        "onnxruntime-gpu",
        "opencv-contrib-python",
        "opencv-python",
        "torch",
        "torchvision",
    ):
        assert never not in planned
    for kept in ("pillow", "pyyaml", "psutil", "protobuf", "safetensors", "transformers"):
        assert kept not in planned


def test_an_opencv_is_added_beside_the_one_that_is_there(planned):
    assert "opencv-python-headless" in planned


def test_numpy_1_is_replaced_only_because_the_newest_opencv_asks_for_numpy_2(before, planned):
    if before["numpy"].major >= 2:
        assert "numpy" not in planned
    else:
        assert planned["numpy"].major == 2
        assert planned["opencv-python-headless"] >= Version("4.12")


def test_numpy_1_can_be_kept_by_saying_so(typical, before, locked):
    if before["numpy"].major >= 2:
        pytest.skip("This Python has no numpy 1 to keep.")
    kept = changes(typical, "numpy<2", *locked)
    tell('pip install -r requirements.txt "numpy<2":', before, kept)
    assert not set(kept) & set(before)
    assert kept["opencv-python-headless"] < Version("4.12")


def test_where_a_headless_opencv_is_there_already_nothing_is_replaced(typical, locked):
    pip(
        typical,
        "install",
        "--quiet",
        "--no-compile",
        "--no-deps",
        "--only-binary",
        ":all:",
        "opencv-python-headless==4.10.0.84",
    )
    now = installed(typical)
    found = changes(typical, *locked)
    tell("pip install -r requirements.txt, with opencv-python-headless 4.10 there:", now, found)
    assert not set(found) & set(now)

"""What reaches a person: the requirements, the registry's metadata, the published archive and the wheel."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pathspec
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from devtools import floors

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
DATA_SUFFIXES = {".csv", ".json", ".npz", ".png", ".toml"}

# (sys_platform, platform_system, platform_machine) of the machines people have
MACHINES = {
    "Linux x86": ("linux", "Linux", "x86_64"),
    "Linux ARM": ("linux", "Linux", "aarch64"),
    "Windows": ("win32", "Windows", "AMD64"),
    "Windows on ARM": ("win32", "Windows", "ARM64"),
    "Mac, Apple chip": ("darwin", "Darwin", "arm64"),
    "Mac, Intel chip": ("darwin", "Darwin", "x86_64"),
}


def requirement_lines() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def wanted_on(machine: str, python: str = "3.12") -> set[str]:
    sys_platform, system, processor = MACHINES[machine]
    environment = {
        "sys_platform": sys_platform,
        "platform_system": system,
        "platform_machine": processor,
        "os_name": "nt" if sys_platform == "win32" else "posix",
        "python_version": python,
        "python_full_version": f"{python}.0",
        "extra": "",
    }
    parsed = [Requirement(line) for line in requirement_lines()]
    return {
        canonicalize_name(one.name)
        for one in parsed
        if one.marker is None or one.marker.evaluate(environment)
    }


def repository_files() -> list[str]:
    """What git tracks, and what it would track once added: never what .gitignore names."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode("utf-8")
    return sorted(name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


def published_files() -> list[str]:
    """The registry's archive: the repository's files without those that .comfyignore names."""
    patterns = (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines()
    left_out = pathspec.GitIgnoreSpec.from_lines(patterns)
    return [name for name in repository_files() if not left_out.match_file(name)]


def core_packages() -> list[str]:
    folders = [path.parent.relative_to(ROOT / "core") for path in (ROOT / "core").rglob("__init__.py")]
    return sorted(".".join(("vramwise", *folder.parts)) for folder in folders)


def test_requirements_txt_says_what_pyproject_says():
    assert requirement_lines() == PROJECT["dependencies"]


def declared() -> dict[str, Version]:
    """The lower bound of everything that a person may install; of dev alone what ComfyUI brings."""
    extras = PROJECT["optional-dependencies"]
    lines = [
        *PROJECT["dependencies"],
        *(line for name, its in extras.items() if name != "dev" for line in its),
    ]
    lines += [line for line in extras["dev"] if Requirement(line).name in ("numpy", "Pillow")]
    found = map(Requirement, lines)
    return {
        canonicalize_name(one.name): Version(next(iter(one.specifier)).version)
        for one in found
        if one.name != "onnxruntime"  # for Intel Macs alone
    }


def test_the_floors_are_the_declared_lower_bounds():
    """A bound of 2.1 is met by the first of the versions 2.1.x."""
    lines = (ROOT / "constraints" / "floors.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    lowest = {canonicalize_name(name): Version(version) for name, version in pinned.items()}
    bounds = declared()
    assert lowest.keys() == bounds.keys()
    for name, bound in bounds.items():
        assert lowest[name].release[: len(bound.release)] == bound.release, name


def test_the_floors_are_tried_with_every_extra():
    assert set(floors.EXTRAS.split(",")) == set(PROJECT["optional-dependencies"]) - {"dev"}


def test_requirements_have_lower_bounds_only():
    for line in requirement_lines():
        requirement = Requirement(line)
        assert requirement.url is None, f"{line}: a requirement is a name from the package index"
        assert [part.operator for part in requirement.specifier] == [">="], (
            f"{line}: one lower bound, nothing else"
        )


@pytest.mark.parametrize("machine", MACHINES)
def test_requirements_leave_alone_what_comfyui_brings(machine):
    brought = {"torch", "torchvision", "torchaudio", "numpy", "pillow", "safetensors", "transformers"}
    assert not wanted_on(machine) & (brought | {"comfyui-frontend-package"})


@pytest.mark.parametrize("machine", MACHINES)
def test_onnxruntime_is_asked_for_only_on_intel_macs(machine):
    assert ("onnxruntime" in wanted_on(machine)) == (machine == "Mac, Intel chip")
    assert "onnxruntime-gpu" not in wanted_on(machine)


@pytest.mark.parametrize("machine", MACHINES)
def test_openvino_is_asked_for_where_it_has_a_wheel(machine):
    assert ("openvino" in wanted_on(machine)) == (machine not in {"Mac, Intel chip", "Windows on ARM"})


def test_the_tesseract_extra_is_optional():
    assert "tesserocr" not in {Requirement(line).name for line in PROJECT["dependencies"]}
    assert [Requirement(line).name for line in PROJECT["optional-dependencies"]["tesseract"]] == ["tesserocr"]


def test_registry_metadata_is_complete():
    assert re.fullmatch(r"[a-z][a-z0-9._-]*", PROJECT["name"])
    assert "comfyui" not in PROJECT["name"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", PROJECT["version"])
    assert PROJECT["license"] == {"file": "LICENSE"}
    assert PROJECT["requires-python"] == ">=3.10"
    assert PROJECT["description"]
    assert PROJECT["urls"]["Repository"].startswith("https://github.com/")
    comfy = PYPROJECT["tool"]["comfy"]
    assert comfy["PublisherId"]
    assert comfy["DisplayName"] == "VRAMwise"
    assert comfy["requires-comfyui"] == ">=0.3.75"
    for picture in ("Icon", "Banner"):
        assert comfy[picture].startswith("https://")
    assert "web" not in comfy, "the web folder is declared once, as WEB_DIRECTORY in __init__.py"
    for folder in comfy["includes"]:
        assert (ROOT / folder).is_dir()


def test_icon_and_banner_are_in_the_repository_in_the_registrys_shapes():
    image = pytest.importorskip("PIL.Image")
    comfy = PYPROJECT["tool"]["comfy"]
    prefix = PROJECT["urls"]["Repository"].replace("github.com", "raw.githubusercontent.com") + "/main/"
    shapes = {}
    for picture in ("Icon", "Banner"):
        assert comfy[picture].startswith(prefix)
        with image.open(ROOT / comfy[picture].removeprefix(prefix)) as opened:
            shapes[picture] = opened.size
    width, height = shapes["Icon"]
    assert width == height <= 400
    width, height = shapes["Banner"]
    assert width / height == pytest.approx(21 / 9, rel=0.01)


def test_classifiers_are_ones_the_registry_knows():
    # one unknown "Environment ::" entry makes the registry drop all of them
    known = {
        "Environment :: GPU :: NVIDIA CUDA",
        "Environment :: GPU :: AMD ROCm",
        "Environment :: GPU :: Intel Arc",
        "Environment :: NPU :: Huawei Ascend",
        "Environment :: GPU :: Apple Metal",
    }
    environments = {entry for entry in PROJECT["classifiers"] if entry.startswith("Environment ::")}
    assert environments <= known
    assert any(entry.startswith("Operating System ::") for entry in PROJECT["classifiers"])


def test_the_published_archive_has_what_the_pack_needs():
    files = published_files()
    for needed in ("__init__.py", "LICENSE", "README.md", "pyproject.toml", "requirements.txt"):
        assert needed in files
    for folder in ("core", "nodes", "web", "locales", "workflows"):
        here = [name for name in repository_files() if name.startswith(f"{folder}/")]
        assert here, f"{folder}/ is empty"
        assert set(here) <= set(files)


def test_the_published_archive_has_nothing_of_the_developers():
    folders = (
        "tests/",
        "benchmarks/",
        "constraints/",
        "devtools/",
        "training/",
        "docs/",
        ".ci/",
        ".venv/",
        ".comfy/",
    )
    hidden = (*folders, "dev.py", ".git")
    assert [name for name in published_files() if name.startswith(hidden)] == []
    assert [
        name for name in published_files() if name.endswith((".pyc", ".whl", ".onnx", ".traineddata"))
    ] == []


def test_the_published_archive_is_small():
    assert sum((ROOT / name).stat().st_size for name in published_files()) < 8_000_000


def test_no_file_names_collide_where_case_does_not_count():
    names = repository_files()
    assert len({name.lower() for name in names}) == len(names)


def test_every_folder_of_the_core_is_listed_for_the_wheel():
    assert sorted(PYPROJECT["tool"]["setuptools"]["packages"]) == core_packages()


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_data_file_of_the_core(tmp_path):
    # a copy, so that the build leaves nothing in the repository
    copy = tmp_path / "copy"
    wanted = {"pyproject.toml", "LICENSE", "README.md"}
    for name in repository_files():
        if name in wanted or name.startswith("core/"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(copy)]
    built = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert built.returncode == 0, built.stdout
    with zipfile.ZipFile(next(tmp_path.glob("vramwise-*.whl"))) as wheel:
        inside = set(wheel.namelist())
    shipped = {
        "vramwise/" + name.removeprefix("core/")
        for name in repository_files()
        if name.startswith("core/") and Path(name).suffix in {".py", *DATA_SUFFIXES}
    }
    assert shipped
    assert shipped - inside == set()
    assert {name.split("/")[0] for name in inside} == {"vramwise", f"vramwise-{PROJECT['version']}.dist-info"}


def test_the_core_has_no_data_file_of_a_kind_that_the_wheel_drops():
    others = {
        name
        for name in repository_files()
        if name.startswith("core/")
        and Path(name).suffix not in {".py", *DATA_SUFFIXES}
        and "py.typed" not in name
    }
    assert others == set()


def test_python_sources_can_be_shown_on_a_windows_console():
    # written with escapes where a character is outside it, as in the tests' own texts
    sources = [name for name in repository_files() if name.endswith(".py")]
    assert sources
    bad = []
    for name in sources:
        try:
            (ROOT / name).read_text(encoding="utf-8").encode("cp1252")
        except UnicodeEncodeError as problem:
            bad.append(f"{name}: {problem.object[problem.start : problem.end]!r}")
    assert bad == []


def test_12_the_shipped_code_does_none_of_what_the_registry_refuses():
    refused = re.compile(
        r"(^|[^a-zA-Z_.])(eval|exec)\(|pickle|os\.system|subprocess|trust_remote_code\s*=\s*True"
        r"|\.to\(\"cuda\"\)|\.cuda\(\)|torch\.cuda\.empty_cache"
    )
    shipped = [
        name
        for name in published_files()
        if name.endswith(".py") and name.startswith(("__init__.py", "core/", "nodes/"))
    ]
    assert shipped
    found = []
    for name in shipped:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        found += [
            f"{name}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if refused.search(line)
        ]
    assert found == []


def test_the_registrys_own_ruff_rules_find_nothing():
    shipped = [str(ROOT / name) for name in published_files() if name.endswith(".py")]
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--ignore-noqa", "--no-cache"]
    checked = subprocess.run(
        [*command, "--select", "S102,S307,E702", *shipped], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("extra", ["tesseract", "nvidia", "dev"])
def test_extras_are_requirements_that_pip_understands(extra):
    assert [Requirement(line).name for line in PROJECT["optional-dependencies"][extra]]


def pins(lock: Path) -> dict[str, Version]:
    """What a file of constraints/ holds; whatever is not an exact version of a plain name fails."""
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    found = {}
    for line in lines:
        exact = re.fullmatch(r"([a-z0-9-]+)==([0-9][0-9a-z.]*)", line)
        assert exact, f"{lock.name}: {line!r} is not name==version"
        found[exact[1]] = Version(exact[2])
    assert [line.partition("==")[0] for line in lines] == sorted(found), (
        f"{lock.name}: each name once, in order"
    )
    return found


def test_there_is_a_lock_for_every_python_that_the_pack_names():
    named = {entry.rpartition(" ")[2] for entry in PROJECT["classifiers"] if ":: 3." in entry}
    assert {f"py{version.replace('.', '')}.txt" for version in named} | {"frontend.txt", "floors.txt"} == {
        path.name for path in (ROOT / "constraints").iterdir()
    }


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_the_lock_has_an_exact_version_of_every_requirement_within_its_bounds(python):
    locked = pins(ROOT / "constraints" / f"py{python.replace('.', '')}.txt")
    here = {
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "python_version": python,
        "extra": "",
    }
    extras = PROJECT["optional-dependencies"]
    for line in (*PROJECT["dependencies"], *extras["dev"], *extras["tesseract"], "torch", "torchvision"):
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate(here):
            continue
        name = canonicalize_name(requirement.name)
        assert name in locked, f"{python}: {line} has no locked version; run `python dev.py lock`"
        assert locked[name] in requirement.specifier, f"{python}: {name} {locked[name]} is not {line}"


def test_the_newer_frontend_is_locked_to_one_newer_than_comfyuis_own():
    (newer,) = pins(ROOT / "constraints" / "frontend.txt").items()
    own = pins(ROOT / "constraints" / "py312.txt")
    assert newer[0] == "comfyui-frontend-package"
    assert newer[1] > own["comfyui-frontend-package"]


def imported_by(file):
    """Names of the modules that a file imports, at its top or in a function."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_dev_py_and_what_it_imports_need_nothing_but_the_standard_library():
    waiting, seen, foreign = [ROOT / "dev.py"], set(), set()
    while waiting:
        file = waiting.pop()
        seen.add(file)
        for name in imported_by(file):
            if name.split(".")[0] == "devtools":
                inner = ROOT.joinpath(*name.split("."))
                files = {inner.with_suffix(".py"), inner / "__init__.py"}
                waiting += [path for path in files - seen if path.is_file()]
            elif name.split(".")[0] not in sys.stdlib_module_names:
                foreign.add(f"{file.name}: {name}")
    assert ROOT / "devtools" / "environment.py" in seen
    assert foreign == set()


def test_dev_py_is_read_by_a_python_that_it_refuses_in_words():
    ast.parse((ROOT / "dev.py").read_text(encoding="utf-8"), feature_version=(3, 7))
    told, imported = (dev_py_lines("sys.version_info < (3, 10)"), dev_py_lines("from devtools"))
    assert told[0] < imported[0], "what devtools is written in must not be read before the version is known"


def dev_py_lines(part):
    lines = (ROOT / "dev.py").read_text(encoding="utf-8").splitlines()
    return [number for number, line in enumerate(lines) if part in line]

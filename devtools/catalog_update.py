"""`python dev.py catalog`: the template part of the catalog, anew from ComfyUI's template packages.

template_files.csv gets a row a file that a local template loads: its size (as the template notes it, rounded,
unless the exact one was known and is the same file), its SHA-256 where it is stated, the model of the catalog
that it is, and the templates that load it. Rows of files that no template names any more stay: an older
ComfyUI has its templates still. What changed is printed for a person to look at before it is committed.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import importlib.metadata
import importlib.util
import io
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from devtools.paths import ROOT
from devtools.pip import pip
from devtools.processes import Stop

TABLE = ROOT / "core" / "catalog" / "tables" / "diffusion" / "template_files.csv"
COLUMNS = ("file", "directory", "bytes", "source", "date", "sha256", "model", "templates")
PACKAGE = "comfyui-workflow-templates-json"
_FOLDER = "comfyui_workflow_templates_json/templates"
# A note says two digits behind the point: a size within this is the file whose exact size was known.
_ROUNDED = 0.005
Rows = dict[str, dict[str, str]]


def newest(folder: Path) -> tuple[Path, str]:
    """The newest package of the index, unpacked into ``folder``: its templates and its version."""
    pip(
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
        str(folder),
        PACKAGE,
        what="the templates",
    )
    wheels = sorted(folder.glob("comfyui_workflow_templates_json-*.whl"))
    if not wheels:
        raise Stop(f"pip fetched no wheel of {PACKAGE}. Look into .comfy/set-up.log.")
    with zipfile.ZipFile(wheels[-1]) as wheel:
        wheel.extractall(folder, [name for name in wheel.namelist() if name.startswith(_FOLDER)])
    return folder / _FOLDER, wheels[-1].name.split("-")[1]


def installed() -> tuple[Path, str]:
    """The package of this Python."""
    found = importlib.util.find_spec(_FOLDER.partition("/")[0])
    if found is None or not found.submodule_search_locations:
        raise Stop(f"{PACKAGE} is not installed. Run `python dev.py catalog` without --installed.")
    return Path(found.submodule_search_locations[0]) / "templates", importlib.metadata.version(PACKAGE)


def read_table(path: Path = TABLE) -> Rows:
    text = path.read_text(encoding="utf-8-sig")
    return {row["file"]: row for row in csv.DictReader(io.StringIO(text))}


def as_text(rows: Rows) -> str:
    out = io.StringIO()
    table = csv.DictWriter(out, COLUMNS, lineterminator="\n", restval="")
    table.writeheader()
    table.writerows(rows[name] for name in sorted(rows))
    return out.getvalue()


def regenerated(before: Mapping[str, Mapping[str, str]], templates: Path, version: str, today: str) -> Rows:
    """The rows of ``before`` with what the templates in that folder say."""
    from vramwise.catalog.model_files.names import named_file
    from vramwise.catalog.templates import MODEL_FOLDERS, templates_of_folder

    loaded: dict[str, list[str]] = {}
    rows = {name: {**dict.fromkeys(COLUMNS, ""), **row, "templates": ""} for name, row in before.items()}
    for template in templates_of_folder(templates):
        for file in template.files:
            loaded.setdefault(file.name, []).append(template.id)
            old = rows.get(file.name)
            noted = file.bytes if file.size_from == "note" else None
            if old is None and noted is None:
                continue  # no size is known anywhere: the diff says so
            row = old or dict.fromkeys(COLUMNS, "")
            row.update(file=file.name, directory=file.directory or row["directory"])
            row["sha256"] = file.sha256 or row["sha256"]
            if noted is not None and not _same(row["bytes"], noted):
                row.update(bytes=str(noted), date=today, source=f"note in {PACKAGE} {version}, rounded")
                row["sha256"] = file.sha256
            known = named_file(file.name) if file.directory in MODEL_FOLDERS else None
            row["model"] = known.model if known is not None else ""
            rows[file.name] = row
    for name, row in rows.items():
        row["templates"] = "|".join(dict.fromkeys(loaded.get(name, ())))
    return rows


def _same(known: str, noted: int) -> bool:
    return known != "" and abs(int(known) - noted) <= max(_ROUNDED * noted, 0.006 * 1024**3)


def differences(before: Mapping[str, Mapping[str, str]], after: Rows) -> list[str]:
    """A line a change, in the order of the table."""
    lines = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None and new is not None:
            lines.append(
                f"+ {name}: {_size(new)}, {new['model'] or 'no model of its own'}, {new['templates']}"
            )
            continue
        if old is None or new is None:
            continue
        if old["bytes"] != new["bytes"]:
            lines.append(f"~ {name}: {_size(old)} -> {_size(new)}")
        for column in ("directory", "sha256", "model", "templates"):
            if old.get(column, "") != new[column]:
                lines.append(f"~ {name}: {column} {old.get(column, '') or '-'} -> {new[column] or '-'}")
    return lines


def unknown(templates: Path) -> tuple[list[str], list[str]]:
    """What a person must do: templates that stand for no model, and files whose size is nowhere stated."""
    from vramwise.advisor.template_memory import unmapped
    from vramwise.catalog.templates import templates_of_folder

    strange, sizes = [], dict[str, str]()
    for template in templates_of_folder(templates):
        why = unmapped(template)
        if "is known by the name" in why:
            strange.append(
                f"! {template.id}: {why}. Add a row to core/catalog/tables/diffusion/file_names.csv, and its "
                "model to diffusion.csv, diffusion_weights.csv and text_encoders.csv where it is new."
            )
        sizes.update({file.name: template.id for file in template.needed if file.bytes is None})
    return strange, [f"? {name}: no size is stated ({template})" for name, template in sizes.items()]


def _size(row: Mapping[str, str]) -> str:
    return f"{int(row['bytes']) / 1024**3:.3f} GiB"


def update(templates: Path, version: str, *, write: bool, table: Path = TABLE) -> int:
    """Print what changes, and write it unless told not to. 1 where a template stands for no model, or where
    ``write`` is False and something would change; else 0."""
    before = read_table(table)
    after = regenerated(before, templates, version, datetime.date.today().isoformat())
    changed = differences(before, after)
    strange, sizeless = unknown(templates)
    print("\n".join((*changed, *sizeless, *strange)))
    named = sum(bool(row["templates"]) for row in after.values())
    print(
        f"{PACKAGE} {version}: {named} files of {len(after)} rows, {len(changed)} changes, "
        f"{len(strange)} templates of no model, {len(sizeless)} files without a size"
    )
    if write and changed:
        with table.open("w", encoding="utf-8", newline="") as file:
            file.write(as_text(after))
        print(f"{table} is written: look at `git diff`, then run `python dev.py test --quick`.")
    return 1 if strange or (changed and not write) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="dev.py catalog", description=__doc__, allow_abbrev=False)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where something differs")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--installed", action="store_true", help="take the package of this environment")
    source.add_argument("--from", dest="folder", type=Path, help="take a folder with an index.json")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        if args.folder is not None and not (args.folder / "index.json").is_file():
            raise Stop(f"There is no index.json in {args.folder}. Give the folder of the templates.")
        where = (args.folder, "of a folder") if args.folder else installed() if args.installed else None
        templates, version = where or newest(Path(place))
        return update(templates, version, write=not args.check)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Stop as problem:
        sys.exit(f"\n{problem}")

"""Path tricks in every input that takes a file name, by the API: refused, nothing read, nothing written."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

pytestmark = pytest.mark.comfy

PAGE = "vramwise_sample.png"
TRICKS = {
    "parent": "../secret.png",
    "parent inside": "scans/../../secret.png",
    "absolute": "{base}/secret.png",
    "drive": "C:/secret.png",
    "backslashes": "..\\secret.png",
    "alternate stream": "secret.png:hidden",
    "NUL": "secret.png\0.pdf",
    "encoded": "%2e%2e%2fsecret.png",
    "encoded twice": "%252e%252e%252fsecret.png",
    "CON": "CON",
    "NUL with an ending": "nul.png",
    "COM1": "scans/com1.png",
    "trailing dot": "secret.png.",
    "trailing space": "secret.png ",
    "file URL": "file:///etc/hostname",
    "link out": "out/secret.png",
    "link to a file": "secret_link.png",
}


@pytest.fixture(scope="module")
def base(comfy):
    """The server's base folder with a secret outside input and output, and links that lead to it."""
    from PIL import Image

    folder = comfy.base_dir
    Image.new("RGB", (32, 32), "red").save(folder / "secret.png")
    for name in ("input", "output"):
        (folder / name / "out").symlink_to(folder)
        (folder / name / "secret_link.png").symlink_to(folder / "secret.png")
    yield folder
    for name in ("input", "output"):
        (folder / name / "out").unlink()
        (folder / name / "secret_link.png").unlink()


def files(base: Path) -> dict[str, int]:
    """Every file that a workflow could have made or changed, with its time of change."""
    return {
        str(path): path.lstat().st_mtime_ns
        for path in base.rglob("*")
        if path.is_file() and path.relative_to(base).parts[0] not in ("user", "temp", "comfy.log")
    }


def load(graph, name):
    return graph.node("pages", "VramwiseLoadPages", file=name).node("show", "PreviewAny", source=["pages", 1])


def save(graph, prefix, **more):
    inputs = {"format": "txt", "filename_prefix": prefix, **more}
    graph.node("pages", "VramwiseLoadPages", file=PAGE)
    return graph.node("save", "VramwiseSaveText", text=["pages", 1], **inputs)


def filled(trick: str, base: Path) -> str:
    return TRICKS[trick].replace("{base}", str(base))


def refused_in_one_sentence(result, node, base):
    assert result.status in ("refused", "error"), result.outputs
    if result.status == "refused":
        details = (error["details"] for error in result.node_errors[node]["errors"])
        (problem,) = {text.partition(" - ")[2] for text in details}  # behind the name of each checked input
    else:
        assert result.error["node_id"] == node
        problem = result.error["exception_message"]
    assert "nothing was read or written" in problem, problem
    assert problem.strip().isprintable()


@pytest.mark.parametrize("trick", TRICKS)
def test_load_pages_refuses_it_before_the_prompt_starts(client, graph, base, trick):
    result = client.run(load(graph, filled(trick, base)))
    assert result.status == "refused"
    refused_in_one_sentence(result, "pages", base)


@pytest.mark.parametrize("trick", TRICKS)
def test_load_pages_refuses_it_when_it_comes_by_a_link(client, graph, base, trick):
    graph.node("name", "PrimitiveString", value=filled(trick, base))
    refused_in_one_sentence(client.run(load(graph, ["name", 0])), "pages", base)


@pytest.mark.parametrize(
    ("given", "linked", "trick"),
    [
        *(("filename_prefix", linked, trick) for linked in (False, True) for trick in TRICKS),
        # a name gets its ending, so that it never is the link itself
        *(("names", True, trick) for trick in TRICKS if trick != "link to a file"),
    ],
)
def test_save_text_refuses_it_and_writes_nothing_anywhere(client, graph, base, trick, linked, given):
    name = filled(trick, base)
    before = files(base)
    if linked:
        graph.node("name", "PrimitiveString", value=name)
        name = ["name", 0]
    chosen = {"names": name} if given == "names" else {}
    result = client.run(save(graph, "text" if given == "names" else name, **chosen))
    refused_in_one_sentence(result, "save", base)
    assert files(base) == before


def test_a_folder_with_a_link_out_loads_without_it(client, graph, base, put):
    folder = base / "input" / "linked"
    folder.mkdir(exist_ok=True)
    (folder / "a.png").write_bytes((base / "input" / PAGE).read_bytes())
    if not (folder / "b.png").is_symlink():
        (folder / "b.png").symlink_to(base / "secret.png")
    result = client.run(load(graph, "linked").node("report", "PreviewAny", source=["pages", 3]))
    assert result.ok, result.error_text
    assert result.outputs["show"]["text"] == ["a"]
    assert "b.png leads out of the input folder by a link" in result.outputs["report"]["text"][0]


def test_a_file_that_is_not_there_is_named_with_the_nearest(client, graph, base):
    result = client.run(load(graph, "vramwise_sampel.png"))
    assert result.status == "refused"
    assert f'Did you mean "{PAGE}"?' in result.error_text


TOKENS = "dated/%year%-%month%-%day%_%width%x%height%_%PrimitiveInt.value%"


def test_tokens_of_save_image_mean_the_same_in_save_text(client, graph, base):
    """Compared with Save Image in the same run, which leaves a widget's value to the browser."""
    graph.node("pages", "VramwiseLoadPages", file=PAGE).node("number", "PrimitiveInt", value=7)
    graph.node(
        "theirs",
        "SaveImage",
        images=["pages", 0],
        filename_prefix=TOKENS.replace("%PrimitiveInt.value%", "7"),
    )
    graph.node(
        "ours",
        "VramwiseSaveText",
        text=["pages", 1],
        image=["pages", 0],
        format="txt",
        filename_prefix=TOKENS,
    )
    result = client.run(graph)
    assert result.ok, result.error_text
    (theirs,) = result.outputs["theirs"]["images"]
    (ours,) = result.outputs["ours"]["files"]
    assert ours["subfolder"] == theirs["subfolder"] == "dated"
    assert ours["filename"].rpartition("_0000")[0] == theirs["filename"].rpartition("_0000")[0]
    assert "%" not in ours["filename"]


@pytest.mark.parametrize("prefix", ["%date:yyyy-MM-dd%/%date:hhmm%_page", "%nobody.home%/%what%_page"])
def test_a_date_makes_a_folder_and_what_is_no_token_stays(client, graph, base, prefix):
    result = client.run(save(graph, prefix))
    assert result.ok, result.error_text
    (entry,) = result.outputs["save"]["files"]
    wanted = datetime.now().strftime("%Y-%m-%d") if "date" in prefix else "%nobody.home%"
    assert entry["subfolder"] == wanted and (base / "output" / wanted / entry["filename"]).is_file()


@pytest.mark.parametrize("prefix", ["%date:../../yyyy%/x", "%date:/yyyy%", "x/%date:..%", "%a:b%"])
def test_a_token_leads_nowhere_else(client, graph, base, prefix):
    before = files(base)
    refused_in_one_sentence(client.run(save(graph, prefix)), "save", base)
    assert files(base) == before


@pytest.mark.parametrize("prefix", ["taken/page", "taken/below/page"])
def test_a_folder_that_cannot_be_made_is_a_sentence(client, graph, base, prefix):
    """A file stands where the folder should be: Python's own words were shown."""
    (base / "output" / "taken").write_bytes(b"")
    result = client.run(save(graph, prefix))
    (base / "output" / "taken").unlink()
    assert result.status in ("refused", "error")
    assert "could not be written: " in result.error_text and "Errno" not in result.error_text

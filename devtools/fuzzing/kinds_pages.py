"""Pictures and PDFs: opened as Load Pages does, as a script does, and as a folder job does."""

from __future__ import annotations

import functools
import io
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from devtools.fuzzing.kinds import Kind, Place, with_others

_PAGES = 3


def _picture(mode: str = "RGB", size: tuple[int, int] = (61, 43)) -> Any:
    from PIL import Image

    picture = Image.radial_gradient("L").resize(size)
    if mode == "P":
        return picture.convert("RGB").quantize(16)
    if mode == "I;16":
        return picture.convert("I").point(lambda value: value * 256).convert("I;16")
    return picture.convert(mode)


def _saved(form: str, mode: str = "RGB", **how: Any) -> bytes:
    buffer = io.BytesIO()
    _picture(mode).save(buffer, form, **how)
    return buffer.getvalue()


def _exif(orientation: int) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, "scan"
    return exif.tobytes()


def _frames(form: str, **how: Any) -> bytes:
    more = [_picture().rotate(90 * turn) for turn in (1, 2)]
    return _saved(form, save_all=True, append_images=more, **how)


@functools.cache
def png() -> dict[str, bytes]:
    from PIL.PngImagePlugin import PngInfo

    words = PngInfo()
    words.add_text("Comment", "scanned")
    words.add_itxt("Title", "page", zip=True)
    found = {mode: _saved("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")}
    return {
        **found,
        "transparent": _saved("PNG", "P", transparency=3),
        "words": _saved("PNG", pnginfo=words, exif=_exif(6), dpi=(300, 300)),
        "moving": _frames("PNG", duration=100),
    }


@functools.cache
def jpeg() -> dict[str, bytes]:
    return {
        "grey": _saved("JPEG", "L"),
        "colour": _saved("JPEG"),
        "ink": _saved("JPEG", "CMYK"),
        "progressive": _saved("JPEG", progressive=True, exif=_exif(8)),
        "restarts": _saved("JPEG", restart_marker_blocks=2, subsampling=2),
        **({"several": several} if _is_whole(several := _frames("MPO")) else {}),
    }


def _is_whole(data: bytes) -> bool:
    """Whether Pillow reads what it wrote: before 11.3 its MPO files end before their second picture does."""
    from PIL import Image

    try:
        Image.open(io.BytesIO(data)).load()
    except OSError:
        return False
    return True


@functools.cache
def webp() -> dict[str, bytes]:
    return {
        "lossy": _saved("WEBP"),
        "lossless": _saved("WEBP", "RGBA", lossless=True),
        "words": _saved("WEBP", exif=_exif(3)),
        "moving": _frames("WEBP", duration=50),
    }


@functools.cache
def gif() -> dict[str, bytes]:
    return {
        "one": _saved("GIF", "P"),
        "transparent": _saved("GIF", "P", transparency=0),
        "moving": _frames("GIF", duration=50, loop=0, comment=b"made by hand"),
    }


@functools.cache
def tiff() -> dict[str, bytes]:
    ways = {f"{mode} {way}": _saved("TIFF", mode, compression=way) for mode, way in _TIFFS}
    return {**ways, "pages": _frames("TIFF", compression="tiff_lzw"), "big": _saved("TIFF", big_tiff=True)}


_TIFFS = (
    *(("1", "group4"), ("1", "packbits"), ("L", "tiff_lzw"), ("RGB", "tiff_adobe_deflate"), ("RGB", "jpeg")),
    *(("CMYK", "raw"), ("P", "tiff_lzw"), ("RGBA", "tiff_lzw"), ("I;16", "raw"), ("F", "raw")),
)


@functools.cache
def pdf() -> dict[str, bytes]:
    buffer = io.BytesIO()
    _picture().save(buffer, "PDF", save_all=True, append_images=[_picture("L"), _picture("1")])
    one = io.BytesIO()
    _picture("CMYK").save(one, "PDF")
    return {"three": buffer.getvalue(), "one": one.getvalue(), "words": _words_pdf(), "form": _form_pdf()}


def _fixture() -> Any:
    import importlib.util

    from devtools.paths import ROOT

    spec = importlib.util.spec_from_file_location("write_pdf", ROOT / "tests" / "fixtures" / "write_pdf.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _words_pdf() -> bytes:
    return bytes(_fixture().write_pdf(["one", "two"], size=(200, 100)))


def _form_pdf() -> bytes:
    return bytes(_fixture().write_form("filled in", size=(200, 100), appearance=False))


class _Reader:
    """Reads nothing, and says how large it was."""

    def read(self, images: Sequence[Any], options: Any = None, progress: Any = None) -> Iterator[Any]:
        from vramwise.ocr.results.result import OCRResult

        for image in images:
            height, width = image.shape[:2]
            yield OCRResult("text", "text", (), width, height, "stop", "fuzz", "fp32", 0.0)


def _attempt(ending: str) -> Any:
    def attempt(data: bytes, sample: str, place: Place) -> None:
        from vramwise.documents.pages import open_book
        from vramwise.jobs import JobOptions, run_job

        file = place.given / f"page.{ending}"
        file.write_bytes(data)
        out = place.own / "out"
        shutil.rmtree(out, ignore_errors=True)
        try:
            # a page that cannot be read is told in the report, whatever is wrong with it
            run_job([str(place.given)], out, _Reader(), JobOptions("fuzz", dpi=40))
            book = open_book(place.given, dpi=40, inside=place.given)
            for page in book.pages[:_PAGES]:
                book.read(page)
        finally:
            file.unlink()

    return attempt


KINDS = {
    name: Kind(samples, with_others(samples), _attempt(ending))
    for name, samples, ending in (
        ("png", png, "png"),
        ("jpeg", jpeg, "jpg"),
        ("webp", webp, "webp"),
        ("gif", gif, "gif"),
        ("tiff", tiff, "tif"),
        ("pdf", pdf, "pdf"),
    )
}

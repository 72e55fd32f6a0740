"""What a file is, by its first bytes; which files are taken for pictures, and why another is not."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

from ..shell import pip_line

HEAD = 4096  # bytes that tell a kind
# Pillow knows these by name and cannot draw them, draws them with another program (Ghostscript) or Windows'
# help, or takes any file for one (IPTC).
NOT_DRAWN = frozenset(["BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"])
RAW = frozenset([".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mrw"]) | {
    *(".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl")
}
UNFINISHED = frozenset([".aria2", ".crdownload", ".download", ".part", ".partial", ".tmp"])
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_VIDEO = (b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"M4V ", b"3gp", b"avc1")
# What a file without a known ending is taken for (Pillow's names): signatures that no text begins with.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)
# (signature, what it is, what to do)
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"%!PS", "PostScript", "Save it as PDF or PNG."),
    (b"\xc5\xd0\xd3\xc6", "an EPS drawing", "Save it as PDF or PNG."),
    (b"\xff\x0a", "a JPEG XL picture", "Save it as PNG or JPEG."),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture", "Save it as PNG or JPEG."),
    (b"AT&TFORM", "a DjVu document", "Save it as PDF or TIFF."),
    (b"\0\x05\x16\x07", "a note of macOS about another file", "Delete it; the picture is beside it."),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile", "Save it as PNG."),
    (b"\x01\0\0\0", "a Windows metafile", "Save it as PNG."),
    (b"PK\x03\x04", "a ZIP archive or an Office document", "Unpack it, or save the document as PDF."),
    (b"\xd0\xcf\x11\xe0", "an Office document", "Save it as PDF."),
    (b"{\\rtf", "a text document", "Save it as PDF."),
    (b"Rar!", "a RAR archive", "Unpack it."),
    (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it."),
    (b"version https://git-lfs", "a pointer of Git LFS, not the picture itself", "Run git lfs pull."),
)  # fmt: skip


def signature(head: bytes) -> str:
    """Pillow's name of the format that ``head`` begins with, "PDF", or an empty string."""
    if b"%PDF-" in head[:1024]:
        return "PDF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return "AVIF" if brand in (b"avif", b"avis") else "HEIF" if brand in _HEIC else ""
    return next((name for start, name in _SIGNATURES if head.startswith(start)), "")


def heif_opener() -> bool:
    """Whether this Pillow opens HEIC: it does where pillow-heif is installed."""
    if importlib.util.find_spec("pillow_heif") is None:
        return False
    import pillow_heif

    pillow_heif.register_heif_opener()
    return True


@functools.cache
def drawn_formats() -> frozenset[str]:
    """Pillow's names of the formats that are opened here."""
    from PIL import Image

    heif_opener()
    Image.init()
    return frozenset(Image.OPEN) - NOT_DRAWN


@functools.cache
def endings() -> frozenset[str]:
    """The endings of files, with their dots, that are taken for pictures or PDFs: those of every format that
    this Pillow opens.
    """
    from PIL import Image

    formats = drawn_formats()
    known = {ending for ending, name in Image.registered_extensions().items() if name in formats}
    return frozenset(known | {".pdf", ".heic", ".heif"})


def left_out(file: Path) -> str:
    """Why ``file`` of a folder is taken for neither picture nor PDF; an empty string for one that is."""
    ending = file.suffix.lower()
    if file.name.startswith("._"):
        return "a note of macOS about another file"
    if ending in endings():
        return ""
    if ending in UNFINISHED:
        return "a download that is not finished"
    if ending in RAW:
        return "a camera's raw file; develop it to TIFF or JPEG"
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    if signature(head):
        return ""
    what, _ = described(head)
    return what


def described(head: bytes) -> tuple[str, str]:
    """What a file that no format opens is, as in "is a web page", and what to do."""
    if not head:
        return "empty (0 bytes)", "Copy or download it again."
    if not head.strip(b"\0"):
        return "nothing but zeros, as after a copy that failed", "Copy or download it again."
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in _HEIC:
            return "a HEIC picture", _heic_remedy()
        if brand in (b"avif", b"avis"):
            return "an AVIF picture", _avif_remedy()
        if brand.startswith(_VIDEO):
            return "a video", "Save its frames as pictures."
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"WAVE"):
        return "a video or a sound", "Save its frames as pictures."
    for start, what, remedy in _OTHERS:
        if head.startswith(start):
            return what, remedy
    return _text(head)


def _text(head: bytes) -> tuple[str, str]:
    begin = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1024].lower()
    if b"<svg" in begin and begin.startswith(b"<"):
        return "an SVG drawing", "Save it as PNG or PDF."
    if begin.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page", "Download the file itself; the server sent a page instead, such as a login."
    if begin.startswith((b"{", b"[", b"<?xml", b"<")) or _printable(head):
        return "a text file", "Give a picture or a PDF."
    return "no picture and no PDF", "Save it again as PNG, JPEG or PDF."


def _printable(head: bytes) -> bool:
    controls = sum(byte < 32 and byte not in b"\t\r\n\f\x1b" for byte in head)
    return controls == 0


def _avif_remedy() -> str:
    from PIL import Image

    if "AVIF" in drawn_formats() and ".avif" in Image.registered_extensions():
        return "It is damaged, or newer than this Pillow. Save it as JPEG or PNG."
    return f"This Pillow does not open them. Run: {pip_line('-U', 'Pillow>=11.3')}"


def _heic_remedy() -> str:
    if importlib.util.find_spec("pillow_heif") is not None:
        return "It is damaged, or newer than the installed pillow-heif. Save it as JPEG or PNG."
    return f"Run: {pip_line('pillow-heif')} and restart, or save it as JPEG or PNG."

"""The pictures of the template browser: what a workflow makes, large enough to be read on a small card.

Each is 600 x 400 pixels (3:2). What runs without a model is pictured as it ran; what a model would have
to make is drawn: the word before and after, the posters with the one that is kept, the verdicts of advice.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

from devtools.draw_assets import BOLD, INK, PAPER, SANS, sample

SIZE = 600, 400
BYTES = 60_000
_BIG = 1200, 800
_DARK, _PANEL, _GREY = (24, 26, 30), (40, 44, 52), (170, 176, 186)
_VERDICTS = {
    "fits": (26, 111, 49),
    "tight": (122, 88, 0),
    "streams": (11, 92, 173),
    "no": (168, 36, 28),
}
_RED, _RIGHT, _BLUE = (200, 48, 38), (58, 163, 90), (76, 155, 232)

Box = tuple[int, int, int, int]
Runs = Mapping[str, Image.Image]


def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(BOLD if bold else SANS, size)


def _canvas(colour: tuple[int, int, int] = _DARK) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", _BIG, colour)
    return picture, ImageDraw.Draw(picture)


def _before_after(before: Image.Image, after: Image.Image) -> Image.Image:
    """The left half of one and the right half of the other, with a slanted seam."""
    whole = before.resize(_BIG)
    mask = Image.new("L", _BIG, 0)
    ImageDraw.Draw(mask).polygon([(660, 0), (1200, 0), (1200, 800), (540, 800)], fill=255)
    whole.paste(after.resize(_BIG), (0, 0), mask)
    ImageDraw.Draw(whole).line([(660, 0), (540, 800)], fill="white", width=10)
    return whole


def _stacked(before: Image.Image, after: Image.Image, at: Box) -> Image.Image:
    """One part of two pictures, one under the other, with an arrow between them."""
    picture, draw = _canvas()
    for top, whole in ((20, before), (440, after)):
        picture.paste(whole.crop(at).resize((1160, 340)), (20, top))
    draw.polygon([(560, 375), (640, 375), (600, 425)], fill="white")
    return picture


def _verdicts(rows: Sequence[tuple[str, str]], head: str) -> Image.Image:
    """A list of badges and names under a heading."""
    picture, draw = _canvas()
    draw.text((50, 85), head, font=_font(64, bold=True), fill="white", anchor="lm")
    for at, (verdict, name) in enumerate(rows):
        y = 215 + 120 * at
        draw.rounded_rectangle((50, y - 44, 330, y + 44), 14, fill=_VERDICTS[verdict])
        draw.text((190, y), verdict, font=_font(50, bold=True), fill="white", anchor="mm")
        draw.text((365, y), name, font=_font(52), fill="white", anchor="lm")
    return picture


def read_text(runs: Runs) -> Image.Image:
    return runs["Where the text was found"]


def translate_a_poster(runs: Runs) -> Image.Image:
    return _before_after(sample(), runs["The translated poster"])


def replace_the_word(_: Runs) -> Image.Image:
    return _stacked(sample(), sample("The Windmill Cafe"), (120, 10, 840, 142))


def translate_a_page(_: Runs) -> Image.Image:
    picture, draw = _canvas((20, 60, 92))
    for at in range(800):  # a sky over a sea: no plain colour
        shade = at / 800
        draw.line(
            (0, at, 1200, at), fill=(int(250 - 190 * shade), int(170 - 60 * shade), int(96 + 80 * shade))
        )
    draw.ellipse((470, 250, 730, 510), fill=(255, 226, 150))
    draw.polygon(
        [(0, 560), (360, 330), (640, 600), (900, 400), (1200, 640), (1200, 800), (0, 800)], fill=(24, 46, 70)
    )
    after = picture.copy()
    for page, words in (
        (picture, ("SUMMER", "BY THE SEA")),
        (after, ("\u041b\u0415\u0422\u041e", "\u0423 \u041c\u041e\u0420\u042f")),
    ):
        draw = ImageDraw.Draw(page)
        draw.text((600, 130), words[0], font=_font(190, bold=True), fill="white", anchor="mm")
        draw.text((600, 700), words[1], font=_font(130, bold=True), fill="white", anchor="mm")
    return _before_after(picture, after)


def best_of_a_batch(_: Runs) -> Image.Image:
    picture, draw = _canvas()
    for at, words in enumerate(("QUITE WATER", "QUIET WATER", "QUIET WATRE")):
        left, right = 30 + 390 * at, 390 + 390 * at
        best = at == 1
        draw.rectangle((left, 60, right, 640), fill=(196, 220, 232))
        draw.polygon(
            [(left, 470), (left + 140, 250), (left + 230, 390), (left + 290, 310), (right, 470)],
            fill=(60, 92, 120),
        )
        draw.rectangle((left, 470, right, 640), fill=(120, 168, 196))
        for row, word in enumerate(words.split()):
            draw.text(
                ((left + right) // 2, 120 + 78 * row), word, font=_font(76, bold=True), fill=INK, anchor="mm"
            )
        draw.rectangle((left, 60, right, 640), outline=_RIGHT if best else _RED, width=16 if best else 6)
        colour = _RIGHT if best else _RED
        draw.text(
            ((left + right) // 2, 715),
            "0 %" if best else "18 %",
            font=_font(72, bold=True),
            fill=colour,
            anchor="mm",
        )
    return picture


def caption_a_folder(_: Runs) -> Image.Image:
    picture, draw = _canvas(_PANEL)
    for at, colour in enumerate(((226, 190, 140), (150, 190, 226), (180, 210, 160))):
        left, right = 40 + 380 * at, 400 + 380 * at
        draw.rounded_rectangle((left, 60, right, 480), 18, fill=colour)
        draw.ellipse((left + 100, 150, left + 260, 310), fill=(90, 60, 40))
        draw.ellipse((left + 60, 280, left + 300, 470), fill=(90, 60, 40))
        if at != 1:
            for ear in (120, 240):
                draw.polygon(
                    [(left + ear - 30, 200), (left + ear + 30, 200), (left + ear, 110)], fill=(90, 60, 40)
                )
    for row, words in enumerate(("cat_01.txt: a brown cat sitting,", "warm light, plain background")):
        draw.text((600, 580 + 100 * row), words, font=_font(64), fill="white", anchor="mm")
    return picture


def pdf_to_markdown(_: Runs) -> Image.Image:
    picture, draw = _canvas(_PANEL)
    draw.rectangle((50, 60, 540, 740), fill=PAPER)
    draw.text((90, 140), "Annual Report", font=_font(46, bold=True), fill=INK, anchor="lm")
    for row in range(3):
        draw.line((90, 225 + 42 * row, 500 - 60 * (row == 2), 225 + 42 * row), fill=(140, 140, 140), width=12)
    for row in range(4):
        for column in range(2):
            left, top = 90 + 205 * column, 370 + 84 * row
            draw.rectangle((left, top, left + 205, top + 84), outline=INK, width=4)
            word = (("Year", "Sales"), ("2023", "1.2 M"), ("2024", "1.5 M"), ("2025", "1.9 M"))[row][column]
            draw.text((left + 102, top + 42), word, font=_font(46, bold=not row), fill=INK, anchor="mm")
    draw.polygon([(565, 370), (565, 430), (620, 400)], fill="white")
    for row, words in enumerate(
        (
            "# Annual Report",
            "",
            "| Year | Sales |",
            "|------|-------|",
            "| 2023 | 1.2 M |",
            "| 2024 | 1.5 M |",
        )
    ):
        draw.text(
            (640, 140 + 100 * row), words, font=_font(48, bold=not row), fill=(150, 220, 160), anchor="lm"
        )
    return picture


def what_can_my_gpu_run(_: Runs) -> Image.Image:
    """The best of each task on a card of 12 GB, by the advice of the day."""
    from vramwise.advisor import advise_each
    from vramwise.advisor.summary import summary

    told = summary(advise_each(gpu="RTX 5070", task="all")[0]).to_dict("en")
    rows: dict[str, tuple[str, str]] = {}
    for row in told["rows"]:
        rows.setdefault(row["task"], (row["badge"], f"{row['name'].split(' / ')[0]} {row['precision']}"))
    chosen = [rows[task] for task in ("OCR", "image", "video", "audio") if task in rows]
    nothing = next(("no", row["name"]) for row in told["rows"] if row["badge"] == "no")
    return _verdicts([*chosen, nothing], "RTX 5070, 12 GB")


def advisor_picks_the_model(_: Runs) -> Image.Image:
    picture = _verdicts([("no", "bf16"), ("tight", "fp8"), ("fits", "int8"), ("fits", "int4")], "Qwen3-VL 8B")
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((30, 390, 1170, 520), 18, outline=_BLUE, width=10)
    draw.text((760, 455), "\u25c0 chosen", font=_font(60, bold=True), fill=_BLUE, anchor="lm")
    return picture


def share_a_small_card(_: Runs) -> Image.Image:
    picture, draw = _canvas()
    draw.text((600, 90), "8 GB, one after the other", font=_font(70, bold=True), fill="white", anchor="mm")
    for row, (words, colour, share) in enumerate(
        (
            ("OCR reads", (61, 139, 217), 0.7),
            ("image model paints", (154, 111, 208), 0.85),
            ("OCR reads again", (61, 139, 217), 0.7),
        )
    ):
        top = 190 + 195 * row
        draw.rounded_rectangle((60, top, 1140, top + 150), 20, fill=_PANEL, outline=_GREY, width=5)
        draw.rounded_rectangle((60, top, 60 + int(1080 * share), top + 150), 20, fill=colour)
        draw.text((110, top + 75), words, font=_font(68, bold=True), fill="white", anchor="lm")
    return picture


THUMBNAILS: dict[str, Callable[[Runs], Image.Image]] = {
    one.__name__: one
    for one in (
        read_text,
        translate_a_poster,
        what_can_my_gpu_run,
        pdf_to_markdown,
        replace_the_word,
        translate_a_page,
        best_of_a_batch,
        caption_a_folder,
        advisor_picks_the_model,
        share_a_small_card,
    )
}


def thumbnail(name: str, runs: Runs) -> bytes:
    """The JPEG of a workflow, of at most BYTES. ``runs`` are pictures of a run, by their previews' titles."""
    small = THUMBNAILS[name](runs).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    small.save(packed, "JPEG", quality=85, optimize=True, progressive=True)
    if packed.tell() > BYTES:
        raise ValueError(f"{name} would have {packed.tell()} bytes; it may have {BYTES}.")
    return packed.getvalue()

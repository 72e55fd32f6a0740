"""Draw the pictures that the pack ships: the sample page, the icon and the banner (python -m
devtools.draw_assets).
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ASSETS = Path(__file__).resolve().parents[1] / "assets"
SANS = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
BOLD = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf"
CJK = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
INK, PAPER, GREEN, CREAM = (28, 34, 40), (250, 248, 242), (0, 122, 78), (244, 236, 214)

SAMPLE_TEXT = "\n".join(
    [
        "The Lighthouse Cafe",
        "Open daily from 7:30 to 19:00",
        "Flat white 3.40",
        "Cinnamon roll 2.95",
        "Soup of the day 6.20",
        "\u4eca\u65e5\u7279\u4ef7\uff1a\u624b\u5de5\u9762\u5305",
        "Please order at the counter.",
    ]
)


def sample(name: str = "") -> Image.Image:
    """A cafe board with Latin and Chinese lines; SAMPLE_TEXT is what it says. ``name`` for another cafe."""
    picture = Image.new("RGB", (960, 640), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 960, 150), fill=GREEN)
    title, hours, *items, special, order = SAMPLE_TEXT.split("\n")
    draw.text((480, 62), name or title, font=ImageFont.truetype(BOLD, 58), fill="white", anchor="mm")
    draw.text((480, 118), hours, font=ImageFont.truetype(SANS, 26), fill=CREAM, anchor="mm")
    font = ImageFont.truetype(SANS, 36)
    for row, item in enumerate(items):
        name, price = item.rsplit(" ", 1)
        y = 215 + row * 72
        draw.text((90, y), name, font=font, fill=INK, anchor="lm")
        draw.text((870, y), price, font=font, fill=INK, anchor="rm")
        draw.line((90, y + 34, 870, y + 34), fill=(214, 208, 194), width=2)
    draw.rounded_rectangle((200, 432, 760, 520), 18, fill=CREAM, outline=GREEN, width=3)
    draw.text((480, 475), special, font=ImageFont.truetype(CJK, 44), fill=INK, anchor="mm")
    draw.text((480, 580), order, font=ImageFont.truetype(SANS, 28), fill=INK, anchor="mm")
    return picture


def icon(size: int = 400) -> Image.Image:
    """A page of text inside a memory module."""
    big = 4
    picture = Image.new("RGBA", (size * big, size * big), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)

    def box(x0: float, y0: float, x1: float, y1: float) -> tuple[float, ...]:
        return tuple(value * big for value in (x0, y0, x1, y1))

    draw.rounded_rectangle(box(10, 10, 390, 390), 60 * big, fill=GREEN)
    for row, (x1, alpha) in enumerate(((310, 255), (270, 255), (310, 255), (190, 255))):
        draw.rounded_rectangle(
            box(90, 100 + row * 45, x1, 122 + row * 45), 11 * big, fill=(255, 255, 255, alpha)
        )
    for pin in range(6):
        draw.rectangle(box(95 + pin * 36, 305, 117 + pin * 36, 345), fill=CREAM)
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def banner() -> Image.Image:
    """The registry's 21:9 banner."""
    picture = Image.new("RGB", (1260, 540), PAPER)
    draw = ImageDraw.Draw(picture)
    mark = icon(320)
    picture.paste(mark, (90, 110), mark)
    draw.text((470, 200), "VRAMwise", font=ImageFont.truetype(BOLD, 110), fill=INK, anchor="lm")
    draw.text((474, 300), "Read text in ComfyUI.", font=ImageFont.truetype(SANS, 46), fill=INK, anchor="lm")
    draw.text(
        (474, 365),
        "Know what fits. Get your memory back.",
        font=ImageFont.truetype(SANS, 36),
        fill=GREEN,
        anchor="lm",
    )
    return picture


def main() -> None:
    ASSETS.mkdir(exist_ok=True)
    sample().save(ASSETS / "vramwise_sample.png", optimize=True)
    icon().save(ASSETS / "icon.png", optimize=True)
    banner().save(ASSETS / "banner.png", optimize=True)


if __name__ == "__main__":
    main()

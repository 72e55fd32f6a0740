"""The example workflows that make or mend pictures."""

from __future__ import annotations

from devtools.workflows.drawing import Blueprint, Drawing, Fold, Node, Output
from devtools.workflows.image_models import FLUX, FLUX_FILE, INPAINT, INPAINT_FILE, sampled

SAMPLE = "vramwise_sample.png"
# a line for each region that the sample has, in reading order
SPANISH = """El Caf\u00e9 del Faro
Abierto todos los d\u00edas de 7:30 a 19:00
Caf\u00e9 con leche
3.40
Rollo de canela
2.95
Sopa del d\u00eda
6.20
Oferta de hoy: pan artesano
Pida en el mostrador, por favor."""


def translate_a_poster() -> Drawing:
    page = Drawing(
        "translate_a_poster", "Translate this poster, no model needed", widths=(280, 310, 310, 380)
    )
    page.note(
        "Press **Run**. *2* finds every line, *3* covers it with its own paper and writes yours there, in "
        "its size, slant and colour. No GPU and no model files.\n\n"
        "- **Your picture**: choose it in *1*.\n"
        "- **Your translation**: in *3*, one line for each numbered one; or link *numbered_lines* to a "
        "language model and its answer to *texts*.\n"
        "- **A background that is no plain colour** wants painting: open *Translate a page, its background "
        "painted anew*.",
        height=270,
    )
    with page.group("1 Picture"):
        picture = page.node("LoadImage", "Your picture", tall=350, image=SAMPLE)
    with page.group("2 Read", column=1):
        ocr = page.node("VramwiseOCR", "OCR Inference", image=picture["IMAGE"], language="auto")
    with page.group("3 Change", column=2):
        drawn = page.node(
            "VramwiseDrawText",
            "Your translation",
            tall=620,
            image=picture["IMAGE"],
            regions=ocr["regions"],
            texts=SPANISH,
            background="fill",
        )
    with page.group("4 Result", column=3):
        page.node("PreviewImage", "The translated poster", tall=340, images=drawn["image"])
        page.node("PreviewImage", "The lines, numbered", tall=330, images=ocr["overlay"])
    return page


def replace_the_word() -> Drawing:
    page = Drawing("replace_the_word", "Replace a word in a picture", widths=(400, 290, 320, 420))
    page.note(
        "OCR finds one word, the image model paints another in its place. All other pixels stay.\n\n"
        "- **Your picture**: in *1* (sides that are multiples of 16).\n"
        "- **What to change**: in *3* *find* is the old word, *text* says what shall stand there.\n"
        f"- **Model file**: {FLUX_FILE}. It spells, and samples in 4 steps at CFG 1; another checkpoint "
        "wants its own *steps* and *cfg*.\n"
        "- **Without it** the word is still found: the mask is shown, the new picture stays empty.",
        height=280,
    )
    with page.group("1 Picture"):
        picture = page.node("LoadImage", "Your picture", tall=400, image=SAMPLE)
    with page.group("2 Model", column=1):
        checkpoint = page.node("CheckpointLoaderSimple", "Image model", tall=130, ckpt_name=FLUX)
        loader = page.node("VramwiseOCRModelLoader", "OCR Model Loader", model="rapid")
    with page.group("3 Change", column=2), page.fold("Replace a Word", tall=420) as fold:
        ocr = page.node("VramwiseOCR", "Read", image=picture["IMAGE"], ocr_model=loader["ocr_model"])
        mask = page.node(
            "VramwiseTextMask",
            "The old word",
            regions=ocr["regions"],
            image=picture["IMAGE"],
            find="Lighthouse",
            grow=8,
        )
        wish = page.node(
            "CLIPTextEncode",
            "The new word",
            tall=160,
            clip=checkpoint["CLIP"],
            text='the sign of a cafe, bold white letters on green: "The Windmill Cafe"',
        )
        unwanted = page.node(
            "CLIPTextEncode", "Unwanted (CFG 1: not used)", tall=90, clip=checkpoint["CLIP"], text=""
        )
        latent = page.node("VAEEncode", "To latent", pixels=picture["IMAGE"], vae=checkpoint["VAE"])
        masked = page.node(
            "SetLatentNoiseMask", "Paint only there", samples=latent["LATENT"], mask=mask["mask"]
        )
        sampler, painted = sampled(
            page, checkpoint, wish, unwanted, masked, steps=4, cfg=1.0, scheduler="simple"
        )
        whole = page.node(
            "ImageCompositeMasked",
            "Only the word is new",
            destination=picture["IMAGE"],
            source=painted["IMAGE"],
            mask=mask["mask"],
        )
        fold.show(mask, "find")
        fold.show(wish, "text")
        fold.show(mask, "grow")
        fold.show(sampler, "seed", "steps", "cfg")
    with page.group("4 Result", column=3):
        page.node("PreviewImage", "The new picture", tall=360, images=whole["IMAGE"])
        page.node("MaskPreview", "What is painted anew", tall=280, mask=mask["mask"])
    return page


def best_of_a_batch() -> Drawing:
    page = Drawing("best_of_a_batch", "Keep the poster that is spelt right", widths=(290, 310, 340, 380))
    page.note(
        "The image model paints eight posters, *OCR Score* reads them all and keeps the one whose text is "
        "right.\n\n"
        "- **What to change**: the prompt in *2*, the wanted text in quotation marks; the number of posters "
        "(*batch_size*).\n"
        f"- **Model file**: {FLUX_FILE}. It samples in 4 steps at CFG 1; another checkpoint wants its own.",
        height=230,
    )
    with page.group("1 Model"):
        checkpoint = page.node("CheckpointLoaderSimple", "Image model", tall=130, ckpt_name=FLUX)
    with page.group("2 Paint", column=1):
        prompt = _prompt(page)
        with page.fold("Paint a Batch", tall=270) as fold:
            posters = _paint_a_batch(page, fold, checkpoint, prompt)
    with page.group("3 Read and score", column=2):
        score = _score(page, posters, prompt)
    with page.group("4 Result", column=3):
        page.node(
            "SaveImage", "The best one", tall=480, images=score["best_image"], filename_prefix="posters/best"
        )
    return page


def translate_a_page() -> Drawing:
    page = Drawing(
        "translate_a_page",
        "Translate a page, its background painted anew",
        widths=(420, 300, 310, 380),
    )
    page.note(
        "OCR finds every line, the image model paints the bare page behind them, *Draw Text* writes your "
        "translation there.\n\n"
        "- **Your picture**: in *1* (sides that are multiples of 8).\n"
        "- **Your translation**: in *4*, one line for each numbered one; or link *numbered_lines* of *3* to "
        "a language model and its answer to *texts*.\n"
        f"- **Model file**: {INPAINT_FILE}. On plain paper you need none: open *Translate this poster, no "
        "model needed*.\n"
        "- **Without it** the lines are still found and numbered.",
        height=290,
    )
    with page.group("1 Picture"):
        picture = page.node("LoadImage", "Your picture", tall=412, image=SAMPLE)
    with page.group("2 Model", column=1):
        checkpoint = page.node("CheckpointLoaderSimple", "Image model", tall=130, ckpt_name=INPAINT)
    with page.group("3 Remove the text", column=1), page.fold("Remove the Text", tall=330) as fold:
        ocr = page.node("VramwiseOCR", "Read", image=picture["IMAGE"])
        bare = _without_its_text(page, fold, picture, checkpoint, ocr)
    with page.group("4 Translate", column=2):
        drawn = page.node(
            "VramwiseDrawText",
            "Your translation",
            tall=620,
            image=bare["IMAGE"],
            original=picture["IMAGE"],
            regions=ocr["regions"],
            texts=SPANISH,
        )
    with page.group("5 Result", column=3):
        page.node("PreviewImage", "The translated page", tall=340, images=drawn["image"])
        page.node("PreviewImage", "The lines, numbered", tall=330, images=ocr["overlay"])
    return page


def _without_its_text(page: Drawing, fold: Fold, picture: Node, checkpoint: Node, ocr: Node) -> Node:
    """The picture, with paper painted where its lines stand."""
    mask = page.node(
        "VramwiseTextMask",
        "All lines",
        regions=ocr["regions"],
        image=picture["IMAGE"],
        match="everything",
        shape="line",
        grow=4,
    )
    wish = page.node(
        "CLIPTextEncode", "Wanted", clip=checkpoint["CLIP"], text="blank paper, empty plain background"
    )
    unwanted = page.node("CLIPTextEncode", "Unwanted", clip=checkpoint["CLIP"], text="text, letters, words")
    latent = page.node(
        "VAEEncodeForInpaint",
        "Cut out the lines",
        pixels=picture["IMAGE"],
        vae=checkpoint["VAE"],
        mask=mask["mask"],
    )
    sampler, painted = sampled(
        page, checkpoint, wish, unwanted, latent, steps=20, cfg=4.0, scheduler="normal"
    )
    bare = page.node(
        "ImageCompositeMasked",
        "Only the text is gone",
        destination=picture["IMAGE"],
        source=painted["IMAGE"],
        mask=mask["mask"],
    )
    fold.show(wish, "text")
    fold.show(mask, "grow")
    fold.show(sampler, "seed", "steps", "cfg")
    return bare


def _paint_a_batch(page: Drawing, fold: Fold, checkpoint: Node, prompt: Node) -> Node:
    """Eight pictures of one prompt."""
    size = page.node("EmptySD3LatentImage", "Size and number", width=768, height=1024, batch_size=8)
    wish = page.node("CLIPTextEncode", "Wanted", clip=checkpoint["CLIP"], text=prompt["STRING"])
    unwanted = page.node("CLIPTextEncode", "Unwanted (CFG 1: not used)", clip=checkpoint["CLIP"], text="")
    sampler, painted = sampled(
        page,
        checkpoint,
        wish,
        unwanted,
        size,
        steps=4,
        cfg=1.0,
        scheduler="simple",
        title="To pictures",
    )
    fold.show(size, "width", "height", "batch_size")
    fold.show(sampler, "seed", "steps", "cfg")
    return painted


def _prompt(page: Drawing) -> Node:
    return page.node(
        "PrimitiveStringMultiline",
        "The prompt, the text in quotes",
        tall=150,
        value='a minimalist poster of a mountain lake at dawn, large letters: "QUIET WATER"',
    )


def _score(page: Drawing, posters: Node, prompt: Node, **more: Output) -> Node:
    return page.node(
        "VramwiseOCRScore",
        "OCR Score",
        image=posters["IMAGE"],
        expected=prompt["STRING"],
        expected_from="quoted parts",
        case="ignore",
        **more,
    )


def best_of_a_batch_blueprint() -> Blueprint:
    """Painting and scoring as one node, for graphs of one's own."""
    page = Drawing("best_of_a_batch", "Best of a Batch")
    checkpoint = page.node("CheckpointLoaderSimple", "Image model", tall=130, ckpt_name=FLUX)
    loader = page.node("VramwiseOCRModelLoader", "OCR model", model="rapid")
    with page.fold("Best of a Batch") as fold:
        prompt = _prompt(page)
        fold.show(prompt, "value")
        posters = _paint_a_batch(page, fold, checkpoint, prompt)
        score = _score(page, posters, prompt, ocr_model=loader["ocr_model"])
    page.node("PreviewImage", "All of them", images=posters["IMAGE"])
    page.node("SaveImage", "The best one", images=score["best_image"])
    page.node("PreviewAny", "Passed", source=score["passed"])
    page.node("PreviewAny", "What each one says", source=score["diff"])
    return Blueprint(
        "Best of a Batch",
        "Paints a batch from a prompt, reads all and keeps the picture that spells the quoted text best.",
        page,
    )


def replace_the_word_blueprint() -> Blueprint:
    return Blueprint(
        "Replace a Word",
        "Finds a word in a picture and paints another one in its place; all other pixels stay.",
        replace_the_word(),
    )


def remove_the_text_blueprint() -> Blueprint:
    return Blueprint(
        "Remove the Text",
        "Finds the lines of a picture and paints what is behind them; tells where they were.",
        translate_a_page(),
    )

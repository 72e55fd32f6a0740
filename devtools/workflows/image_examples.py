"""The example workflows that make or mend pictures, and the two blueprints made of them."""

from __future__ import annotations

from devtools.workflows.drawing import Blueprint, Drawing, Node
from devtools.workflows.image_models import FLUX, FLUX_FILE, INPAINT, INPAINT_FILE

SAMPLE = "vramwise_sample.png"
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


def replace_the_word() -> Drawing:
    return _replace_the_word()[0]


def _replace_the_word() -> tuple[Drawing, dict[str, Node]]:
    page = Drawing("replace_the_word", widths=(310, 310, 320, 420))
    page.note(
        "Replace a word in a picture",
        "**What it does**: OCR reads the picture, *Text Mask* covers one word, the model paints the new one "
        "in its place. All other pixels stay as they are.\n\n"
        f"**Model file**: {FLUX_FILE}. It can spell, and it samples in 4 steps at CFG 1. With another "
        "checkpoint set `steps` and `cfg` in *6* as that one wants them.\n\n"
        "**What to change**: your picture in *1* (sides that are multiples of 16), the old word in *4*, the "
        "new one in *5*.",
        width=1040,
        height=120,
    )
    picture = page.node("LoadImage", "1. Your picture", tall=330, image=SAMPLE)
    loader = page.node("VramwiseOCRModelLoader", "2. OCR model", model="rapid")
    checkpoint = page.node("CheckpointLoaderSimple", "3. Image model", ckpt_name=FLUX)
    ocr = page.node("VramwiseOCR", "Read", 1, image=picture["IMAGE"], ocr_model=loader["ocr_model"])
    mask = page.node(
        "VramwiseTextMask",
        "4. The old word",
        1,
        regions=ocr["regions"],
        image=picture["IMAGE"],
        find="Lighthouse",
        grow=8,
    )
    wish = page.node(
        "CLIPTextEncode",
        "5. The new word",
        2,
        tall=160,
        clip=checkpoint["CLIP"],
        text='the sign of a cafe, bold white letters on green: "The Windmill Cafe"',
    )
    unwanted = page.node(
        "CLIPTextEncode", "Unwanted (CFG 1: not used)", 2, tall=90, clip=checkpoint["CLIP"], text=""
    )
    latent = page.node("VAEEncode", "To latent", 2, pixels=picture["IMAGE"], vae=checkpoint["VAE"])
    masked = page.node(
        "SetLatentNoiseMask", "Paint only there", 2, samples=latent["LATENT"], mask=mask["mask"]
    )
    sampler = page.node(
        "KSampler",
        "6. Sampling",
        2,
        model=checkpoint["MODEL"],
        positive=wish["CONDITIONING"],
        negative=unwanted["CONDITIONING"],
        latent_image=masked["LATENT"],
        seed=1,
        steps=4,
        cfg=1.0,
        sampler_name="euler",
        scheduler="simple",
    )
    painted = page.node("VAEDecode", "To picture", 3, samples=sampler["LATENT"], vae=checkpoint["VAE"])
    whole = page.node(
        "ImageCompositeMasked",
        "Only the word is new",
        3,
        destination=picture["IMAGE"],
        source=painted["IMAGE"],
        mask=mask["mask"],
    )
    page.node("PreviewImage", "The new picture", 3, tall=360, images=whole["IMAGE"])
    page.node("MaskPreview", "What is painted anew", 3, tall=310, mask=mask["mask"])
    page.node("PreviewAny", "What was found", 3, tall=100, source=mask["report"])
    inner = {
        "ocr": ocr,
        "mask": mask,
        "wish": wish,
        "unwanted": unwanted,
        "latent": latent,
        "masked": masked,
        "sampler": sampler,
        "painted": painted,
        "whole": whole,
    }
    return page, inner


def best_of_a_batch() -> Drawing:
    return _best_of_a_batch()[0]


def _best_of_a_batch() -> tuple[Drawing, dict[str, Node]]:
    page = Drawing("best_of_a_batch", widths=(340, 340, 340, 460))
    page.note(
        "Best of a batch: the poster that is spelt right",
        "**What it does**: the model paints eight posters, *OCR Score* reads them all and keeps the one "
        "whose text is right. *Passed* says whether it has no error at all.\n\n"
        f"**Model file**: {FLUX_FILE}. It samples in 4 steps at CFG 1; with another checkpoint set `steps` "
        "and `cfg` in *5* as that one wants them.\n\n"
        "**What to change**: the prompt in *1*, the wanted text in quotation marks; the number of posters "
        "in *4*.",
        width=1120,
        height=110,
    )
    prompt = page.node(
        "PrimitiveStringMultiline",
        "1. The prompt, the text in quotes",
        tall=150,
        value='a minimalist poster of a mountain lake at dawn, large letters: "QUIET WATER"',
    )
    checkpoint = page.node("CheckpointLoaderSimple", "2. Image model", ckpt_name=FLUX)
    loader = page.node("VramwiseOCRModelLoader", "3. OCR model", model="rapid")
    size = page.node("EmptySD3LatentImage", "4. Size and number", width=768, height=1024, batch_size=8)
    wish = page.node("CLIPTextEncode", "Wanted", 1, tall=90, clip=checkpoint["CLIP"], text=prompt["STRING"])
    unwanted = page.node(
        "CLIPTextEncode", "Unwanted (CFG 1: not used)", 1, tall=90, clip=checkpoint["CLIP"], text=""
    )
    sampler = page.node(
        "KSampler",
        "5. Sampling",
        1,
        model=checkpoint["MODEL"],
        positive=wish["CONDITIONING"],
        negative=unwanted["CONDITIONING"],
        latent_image=size["LATENT"],
        seed=1,
        steps=4,
        cfg=1.0,
        sampler_name="euler",
        scheduler="simple",
    )
    posters = page.node("VAEDecode", "To pictures", 1, samples=sampler["LATENT"], vae=checkpoint["VAE"])
    score = page.node(
        "VramwiseOCRScore",
        "6. OCR Score",
        2,
        image=posters["IMAGE"],
        ocr_model=loader["ocr_model"],
        expected=prompt["STRING"],
        expected_from="quoted parts",
        case="ignore",
    )
    page.node("PreviewAny", "Passed", 2, tall=90, source=score["passed"])
    page.node(
        "SaveImage", "The best one", 3, tall=470, images=score["best_image"], filename_prefix="posters/best"
    )
    page.node("PreviewAny", "What each one says", 3, tall=230, source=score["diff"])
    page.node("PreviewImage", "All of them", 3, tall=230, images=posters["IMAGE"])
    inner = {
        "prompt": prompt,
        "size": size,
        "wish": wish,
        "unwanted": unwanted,
        "sampler": sampler,
        "posters": posters,
        "score": score,
    }
    return page, inner


def translate_a_page() -> Drawing:
    page = Drawing("translate_a_page", widths=(320, 320, 330, 440, 440))
    page.note(
        "Translate the text of a page",
        "**What it does**: OCR finds every line, *Text Mask* covers them all, the model paints the bare page "
        "behind them, and *Draw Text* sets your translation: each line in its place, size, slant and "
        "colour.\n\n"
        f"**Model file**: {INPAINT_FILE}. On plain paper you need none: remove it with everything up to "
        "*Only the text is gone*, link the picture to *6* and set its `background` to *fill*.\n\n"
        "**What to change**: your picture in *1* (sides that are multiples of 8); the translation in *5*, "
        "a line for each one that *The lines, numbered* shows. A vision-language model can write it: put "
        "*OCR Inference* with the prompt *Translate each line into ...* in place of *5*.",
        width=1560,
        height=110,
    )
    picture = page.node("LoadImage", "1. Your picture", tall=330, image=SAMPLE)
    loader = page.node("VramwiseOCRModelLoader", "2. OCR model", model="rapid")
    checkpoint = page.node("CheckpointLoaderSimple", "3. Image model", ckpt_name=INPAINT)
    ocr = page.node("VramwiseOCR", "Read", 1, image=picture["IMAGE"], ocr_model=loader["ocr_model"])
    mask = page.node(
        "VramwiseTextMask",
        "All lines",
        1,
        regions=ocr["regions"],
        image=picture["IMAGE"],
        match="everything",
        shape="line",
        grow=4,
    )
    wish = page.node(
        "CLIPTextEncode",
        "Wanted",
        2,
        tall=90,
        clip=checkpoint["CLIP"],
        text="blank paper, empty plain background",
    )
    unwanted = page.node(
        "CLIPTextEncode", "Unwanted", 2, tall=90, clip=checkpoint["CLIP"], text="text, letters, words"
    )
    latent = page.node(
        "VAEEncodeForInpaint",
        "Cut out the lines",
        2,
        pixels=picture["IMAGE"],
        vae=checkpoint["VAE"],
        mask=mask["mask"],
    )
    sampler = page.node(
        "KSampler",
        "4. Sampling",
        2,
        model=checkpoint["MODEL"],
        positive=wish["CONDITIONING"],
        negative=unwanted["CONDITIONING"],
        latent_image=latent["LATENT"],
        seed=1,
        steps=20,
        cfg=4.0,
        sampler_name="euler",
        scheduler="normal",
    )
    painted = page.node("VAEDecode", "To picture", 3, samples=sampler["LATENT"], vae=checkpoint["VAE"])
    bare = page.node(
        "ImageCompositeMasked",
        "Only the text is gone",
        3,
        destination=picture["IMAGE"],
        source=painted["IMAGE"],
        mask=mask["mask"],
    )
    page.node("PreviewImage", "The bare page", 3, tall=310, images=bare["IMAGE"])
    page.node("PreviewImage", "The lines, numbered", 3, tall=340, images=ocr["overlay"])
    texts = page.node("PrimitiveStringMultiline", "5. Your translation", 4, tall=250, value=SPANISH)
    drawn = page.node(
        "VramwiseDrawText",
        "6. Draw Text",
        4,
        image=bare["IMAGE"],
        original=picture["IMAGE"],
        regions=ocr["regions"],
        texts=texts["STRING"],
    )
    page.node("PreviewImage", "The translated page", 4, tall=340, images=drawn["image"])
    return page


def replace_the_word_blueprint() -> Blueprint:
    page, inner = _replace_the_word()
    exposed = [
        (inner["mask"], "find"),
        (inner["wish"], "text"),
        (inner["mask"], "grow"),
        (inner["sampler"], "seed"),
        (inner["sampler"], "steps"),
        (inner["sampler"], "cfg"),
    ]
    return Blueprint("Replace a Word", page, list(inner.values()), exposed)


def best_of_a_batch_blueprint() -> Blueprint:
    page, inner = _best_of_a_batch()
    exposed = [
        (inner["prompt"], "value"),
        (inner["size"], "width"),
        (inner["size"], "height"),
        (inner["size"], "batch_size"),
        (inner["sampler"], "seed"),
        (inner["sampler"], "steps"),
        (inner["sampler"], "cfg"),
    ]
    return Blueprint("Best of a Batch", page, list(inner.values()), exposed)

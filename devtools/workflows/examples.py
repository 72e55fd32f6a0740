"""The example workflows as they are drawn, and the two blueprints made of them."""

from __future__ import annotations

from collections.abc import Callable

from devtools.workflows.drawing import Blueprint, Drawing, Node, Output

SAMPLE = "vramwise_sample.png"
FLUX = "flux1-schnell-fp8.safetensors"
SD15 = "v1-5-pruned-emaonly-fp16.safetensors"
INPAINT = "512-inpainting-ema.safetensors"
CHECKPOINTS = (FLUX, SD15, INPAINT)
CAPTIONS = "qwen3_vl_2b"
MISSING = 470  # the height of a loader whose panel says how to get the model

FLUX_FILE = (
    f"`{FLUX}` (17.2 GB) in `ComfyUI/models/checkpoints`, from "
    "[Comfy-Org/flux1-schnell](https://huggingface.co/Comfy-Org/flux1-schnell)"
)
SD15_FILE = (
    f"`{SD15}` (2.1 GB) in `ComfyUI/models/checkpoints`, from [Comfy-Org/stable-diffusion-v1-5-archive]"
    "(https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive)"
)
INPAINT_FILE = (
    f"`{INPAINT}` (5.2 GB) in `ComfyUI/models/checkpoints`, from [Comfy-Org/stable_diffusion_2.1_repackaged]"
    "(https://huggingface.co/Comfy-Org/stable_diffusion_2.1_repackaged)"
)
QWEN_FILES = (
    "the folder of [Qwen/Qwen3-VL-2B-Instruct](https://huggingface.co/Qwen/Qwen3-VL-2B-Instruct) (4.3 GB) as "
    "`ComfyUI/models/LLM/Qwen3-VL-2B-Instruct`, or `vramwise download qwen3_vl_2b`"
)
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


def read_text() -> Drawing:
    page = Drawing("read_text", widths=(320, 340, 560))
    page.note(
        "Read the text of a picture",
        "Press **Run**. No GPU and no model files are needed: the `rapid` engine is built in and reads "
        "English, Chinese, Japanese and other languages in Latin letters.\n\n"
        "- **Your own picture**: choose it in *1*, or drop the file onto that node.\n"
        "- **Russian**: install Tesseract's Russian data, or run `vramwise download eslav` once. `language` "
        "can stay on `auto`.\n"
        "- **A better model**: choose it in *2*. *What will run* says which weights it needs and whether it "
        "fits.\n",
        width=710,
        height=140,
    )
    picture = page.node("LoadImage", "1. Your picture", tall=330, image=SAMPLE)
    loader = page.node("VramwiseOCRModelLoader", "2. OCR Model Loader", model="rapid")
    ocr = page.node(
        "VramwiseOCR",
        "3. OCR Inference: reads the text",
        1,
        image=picture["IMAGE"],
        ocr_model=loader["ocr_model"],
    )
    page.node("PreviewAny", "What will run", 1, tall=120, source=loader["plan"])
    page.node("PreviewImage", "Where the text was found", 2, tall=430, images=ocr["overlay"])
    page.node("PreviewAny", "The text", 2, tall=180, source=ocr["text"])
    page.node("MaskPreview", "Mask of the text", 2, tall=280, mask=ocr["mask"])
    return page


def what_can_my_gpu_run() -> Drawing:
    page = Drawing("what_can_my_gpu_run", widths=(360, 700, 700))
    page.note(
        "What can my GPU run?",
        "Press **Run**: nothing is loaded and no model files are needed. *1* looks at this machine, *2* says "
        "which models run on it, at which precision and how fast.\n\n"
        "- **A card you think of buying**: write it into *3* (`RTX 5070 Ti`, or just `24 GB`).\n"
        "- **Only what you have**: switch on `installed_only`.\n"
        "- **The other way round**: set `task` to *which GPU* and name the models in `also_loaded`.",
        width=1110,
        height=130,
    )
    probe = page.node("VramwiseGPUProbe", "1. This machine")
    here = page.node("VramwiseModelAdvisor", "2. What runs on it", 1, gpu=probe["gpu"], task="all")
    other = page.node(
        "VramwiseModelAdvisor", "3. What another card would run", 2, what_if="RTX 4060 Ti 16 GB", task="all"
    )
    page.node("PreviewAny", "This machine", tall=350, source=probe["report"])
    page.node("PreviewAny", "What runs here", 1, tall=320, source=here["report"])
    page.node("PreviewAny", "What the other card would run", 2, tall=510, source=other["report"])
    return page


def advisor_picks_the_model() -> Drawing:
    page = Drawing("advisor_picks_the_model", widths=(320, 320, 320, 360, 420))
    page.note(
        "The advisor picks the model",
        "**What it does**: *GPU Probe* looks at this machine, *Model Advisor* picks the best OCR model that "
        "fits, *OCR Model Loader* takes it with its precision. The text is read, the OCR model's memory is "
        "given back, and only then the image model is loaded and paints what the text is about.\n\n"
        f"**Model file**: {SD15_FILE}. OCR runs with what is installed, at least the built-in engine; "
        "switch off `installed_only` in *2* to see what a download would bring.\n\n"
        "**What to change**: your picture in *1*, the style in *3*.",
        width=1060,
        height=130,
    )
    picture = page.node("LoadImage", "1. Your picture", tall=330, image=SAMPLE)
    probe = page.node("VramwiseGPUProbe", "This machine")
    advisor = page.node(
        "VramwiseModelAdvisor", "2. Model Advisor", gpu=probe["gpu"], task="OCR", installed_only=True
    )
    loader = page.node(
        "VramwiseOCRModelLoader",
        "As the advisor says",
        1,
        model=advisor["model"],
        precision=advisor["precision"],
    )
    ocr = page.node("VramwiseOCR", "Read", 1, image=picture["IMAGE"], ocr_model=loader["ocr_model"])
    release = page.node("VramwiseMemoryRelease", "Before sampling", 2, anything=ocr["text"])
    wish = page.node(
        "StringConcatenate",
        "3. How to paint it",
        2,
        tall=180,
        string_a="a watercolour of",
        string_b=release["same"],
        delimiter=" ",
    )
    page.node("PreviewAny", "What was read", 2, tall=200, source=release["same"])
    painted = _sd15_picture(page, wish["STRING"], columns=(3, 3, 4))
    page.node("PreviewImage", "The picture", 4, tall=430, images=painted["IMAGE"])
    page.node("PreviewAny", "Why this model", 4, tall=300, source=advisor["report"])
    return page


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


def caption_a_folder() -> Drawing:
    page = Drawing("caption_a_folder", widths=(340, 340, 560))
    page.note(
        "Caption a folder of pictures for training",
        "**What it does**: every picture of a folder gets a caption. *Save Text* writes both under one name "
        "(`cat.png`, `cat.txt`) into `ComfyUI/output/captions`, as trainers read them.\n\n"
        f"**Model files**: {QWEN_FILES}. A larger one of the family writes better captions.\n\n"
        "**What to change**: your folder in *1*, as it lies in `ComfyUI/input`; the wish in *3*, such as "
        "the style of the captions or a trigger word to begin with.",
        width=1340,
        height=100,
    )
    pages = page.node("VramwiseLoadPages", "1. Your folder", file=SAMPLE)
    loader = page.node("VramwiseOCRModelLoader", "2. Model", tall=MISSING, model=CAPTIONS)
    page.node("PreviewAny", "What was loaded", tall=140, source=pages["report"])
    captions = page.node(
        "VramwiseOCR",
        "3. Caption",
        1,
        tall=380,
        image=pages["images"],
        ocr_model=loader["ocr_model"],
        task="custom",
        prompt="Describe this picture in one sentence for training an image model: subject, setting, style, "
        "colours. Quote any words that are written in it.",
        max_new_tokens=200,
    )
    page.node(
        "VramwiseSaveText",
        "4. Pictures and captions",
        1,
        text=captions["texts"],
        image=pages["images"],
        names=pages["names"],
        format="txt",
        filename_prefix="captions/caption",
        if_exists="overwrite",
    )
    page.node("PreviewAny", "The first caption", 2, tall=180, source=captions["texts"])
    page.node("PreviewImage", "The first picture", 2, tall=410, images=pages["images"])
    return page


def pdf_to_markdown() -> Drawing:
    page = Drawing("pdf_to_markdown", widths=(340, 340, 560))
    page.note(
        "A PDF becomes Markdown",
        "**What it does**: the pages of a PDF (or of a TIFF, or the pictures of a folder) are read one after "
        "the other, and each becomes a `.md` file in `ComfyUI/output/documents`.\n\n"
        "**Model files**: none for the built-in `rapid`. Headings, tables and formulas come with a model "
        "that knows layouts: choose `dots_ocr`, `qwen3_vl_2b` or another in *2*; *What will run* says which "
        "files it wants, where, and whether it fits.\n\n"
        "**What to change**: your file in *1*, as it lies in `ComfyUI/input` (such as `report.pdf`), and "
        "the pages, if not all (`1-3,7`).",
        width=1340,
        height=110,
    )
    pages = page.node("VramwiseLoadPages", "1. Your PDF", file=SAMPLE)
    loader = page.node("VramwiseOCRModelLoader", "2. OCR model", model="rapid")
    page.node("PreviewAny", "What will run", tall=140, source=loader["plan"])
    read = page.node(
        "VramwiseOCR",
        "Read",
        1,
        image=pages["images"],
        ocr_model=loader["ocr_model"],
        task="markdown",
    )
    page.node(
        "VramwiseSaveText",
        "3. A file for each page",
        1,
        text=read["markdown"],
        names=pages["names"],
        format="md",
        filename_prefix="documents/page",
    )
    page.node("PreviewAny", "What was loaded", 2, tall=120, source=pages["report"])
    page.node("PreviewAny", "The first page", 2, tall=420, source=read["markdown"])
    return page


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


def share_a_small_card() -> Drawing:
    page = Drawing("share_a_small_card", widths=(360, 320, 320, 340, 420))
    page.note(
        "OCR and an image model on one small card",
        "**What it does**: both models take turns in the same memory. OCR reads a picture, the image model "
        "paints what it says, OCR reads the painting. ComfyUI moves either model out when the other needs "
        "room, and back; nothing has to be set. *Beside the image model* says what would fit without moving, "
        "*Empty the card* gives everything back at the end.\n\n"
        f"**Model files**: {SD15_FILE}; {QWEN_FILES}.\n\n"
        "**What to change**: your picture in *1*; on 6 GB or less `precision` *int4* in *3*. The built-in "
        "`rapid` reads on the CPU and leaves the card alone.",
        width=1100,
        height=130,
    )
    picture = page.node("LoadImage", "1. Your picture", tall=330, image=SAMPLE)
    checkpoint = _sd15(page, "2. Image model")
    loader = page.node("VramwiseOCRModelLoader", "3. OCR model", tall=MISSING, model=CAPTIONS)
    probe = page.node("VramwiseGPUProbe", "This machine", 1)
    advisor = page.node(
        "VramwiseModelAdvisor",
        "Beside the image model",
        1,
        gpu=probe["gpu"],
        also_loaded=checkpoint["MODEL"],
        task="OCR",
    )
    page.node("PreviewAny", "What fits beside it", 1, tall=200, source=advisor["report"])
    ocr = page.node(
        "VramwiseOCR", "Read the picture", 2, image=picture["IMAGE"], ocr_model=loader["ocr_model"]
    )
    wish = page.node(
        "StringConcatenate",
        "4. How to paint it",
        2,
        tall=180,
        string_a="a street with a sign that says:",
        string_b=ocr["text"],
        delimiter=" ",
    )
    painted = _sd15_picture(page, wish["STRING"], columns=(3, 3, 3), checkpoint=checkpoint)
    page.node("PreviewImage", "The painting", 3, tall=330, images=painted["IMAGE"])
    again = page.node(
        "VramwiseOCR", "Read the painting", 4, image=painted["IMAGE"], ocr_model=loader["ocr_model"]
    )
    release = page.node(
        "VramwiseMemoryRelease", "Empty the card", 4, anything=again["text"], what="all models"
    )
    page.node("PreviewAny", "What it says", 4, tall=200, source=release["same"])
    return page


def _sd15(page: Drawing, title: str, column: int = 0) -> Node:
    return page.node("CheckpointLoaderSimple", title, column, ckpt_name=SD15)


def _sd15_picture(
    page: Drawing, prompt: Output, columns: tuple[int, int, int], checkpoint: Node | None = None
) -> Node:
    """The usual nodes from a prompt to a picture of 512 pixels: model and texts, sampler, decoder."""
    first, middle, last = columns
    model = checkpoint or _sd15(page, "4. Image model", first)
    wish = page.node("CLIPTextEncode", "Wanted", first, tall=90, clip=model["CLIP"], text=prompt)
    unwanted = page.node(
        "CLIPTextEncode", "Unwanted", first, tall=90, clip=model["CLIP"], text="blurry, deformed"
    )
    size = page.node("EmptyLatentImage", "Size", middle, width=512, height=512, batch_size=1)
    sampler = page.node(
        "KSampler",
        "5. Sampling",
        middle,
        model=model["MODEL"],
        positive=wish["CONDITIONING"],
        negative=unwanted["CONDITIONING"],
        latent_image=size["LATENT"],
        seed=1,
        steps=20,
        cfg=7.0,
        sampler_name="euler",
        scheduler="normal",
    )
    return page.node("VAEDecode", "To picture", last, samples=sampler["LATENT"], vae=model["VAE"])


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


DRAWINGS: tuple[Callable[[], Drawing], ...] = (
    read_text,
    what_can_my_gpu_run,
    advisor_picks_the_model,
    replace_the_word,
    best_of_a_batch,
    caption_a_folder,
    pdf_to_markdown,
    translate_a_page,
    share_a_small_card,
)
BLUEPRINTS: tuple[Callable[[], Blueprint], ...] = (replace_the_word_blueprint, best_of_a_batch_blueprint)

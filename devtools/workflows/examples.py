"""The example workflows as they are drawn; those that make pictures are in image_examples.py."""

from __future__ import annotations

from collections.abc import Callable

from devtools.workflows.drawing import Blueprint, Drawing
from devtools.workflows.image_examples import (
    SAMPLE,
    best_of_a_batch,
    best_of_a_batch_blueprint,
    replace_the_word,
    replace_the_word_blueprint,
    translate_a_page,
)
from devtools.workflows.image_models import (
    CAPTIONS,
    MISSING,
    QWEN_FILES,
    SD15_FILE,
    sd15_loader,
    sd15_picture,
)


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
    painted = sd15_picture(page, wish["STRING"], columns=(3, 3, 4))
    page.node("PreviewImage", "The picture", 4, tall=430, images=painted["IMAGE"])
    page.node("PreviewAny", "Why this model", 4, tall=300, source=advisor["report"])
    return page


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
    checkpoint = sd15_loader(page, "2. Image model")
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
    painted = sd15_picture(page, wish["STRING"], columns=(3, 3, 3), checkpoint=checkpoint)
    page.node("PreviewImage", "The painting", 3, tall=330, images=painted["IMAGE"])
    again = page.node(
        "VramwiseOCR", "Read the painting", 4, image=painted["IMAGE"], ocr_model=loader["ocr_model"]
    )
    release = page.node(
        "VramwiseMemoryRelease", "Empty the card", 4, anything=again["text"], what="all models"
    )
    page.node("PreviewAny", "What it says", 4, tall=200, source=release["same"])
    return page


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

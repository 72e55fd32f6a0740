"""The example workflows as they are drawn; those that make pictures are in image_examples.py."""

from __future__ import annotations

from collections.abc import Callable

from devtools.workflows.drawing import Blueprint, Drawing
from devtools.workflows.image_examples import (
    SAMPLE,
    best_of_a_batch,
    best_of_a_batch_blueprint,
    remove_the_text_blueprint,
    replace_the_word,
    replace_the_word_blueprint,
    translate_a_page,
    translate_a_poster,
)
from devtools.workflows.image_models import (
    CAPTIONS,
    QWEN_FILES,
    SD15,
    SD15_FILE,
    TO_FETCH,
    paint_a_picture,
)


def read_text() -> Drawing:
    page = Drawing("read_text", "Read the text of a picture", widths=(290, 290, 370, 270))
    page.note(
        "Press **Run**. No GPU and no model files: the *rapid* engine is built in and reads English, "
        "Chinese, Japanese and other languages in Latin letters.\n\n"
        "- **Your picture**: choose it in *1*, or drop the file onto that node.\n"
        "- **Russian, Korean, Arabic and others**: press the button under *More languages* in *2* (or, in "
        "this pack's folder, *python scripts/vramwise.py download eslav*); *language* can stay on *auto*.\n"
        "- **A better model**: choose it in *2*, whose table says whether it fits and what it needs.",
        height=250,
    )
    with page.group("1 Picture"):
        picture = page.node("LoadImage", "Your picture", tall=350, image=SAMPLE)
    with page.group("2 Model", column=1):
        loader = page.node("VramwiseOCRModelLoader", "OCR Model Loader", model="rapid")
    with page.group("3 Read", column=2):
        ocr = page.node(
            "VramwiseOCR", "OCR Inference", panel=340, image=picture["IMAGE"], ocr_model=loader["ocr_model"]
        )
    with page.group("4 Result", column=3):
        page.node("PreviewImage", "Where the text was found", tall=250, images=ocr["overlay"])
        # the preview of older frontends is Markdown and would join the lines, that of newer ones is not
        apart = page.node(
            "StringReplace", "A line each", collapsed=True, string=ocr["text"], find="\n", replace="\n\n"
        )
        page.node("PreviewAny", "The text", tall=300, source=apart["STRING"])
        page.node("MaskPreview", "Mask of the text", tall=250, mask=ocr["mask"])
    return page


def what_can_my_gpu_run() -> Drawing:
    page = Drawing("what_can_my_gpu_run", "What can my GPU run", widths=(310, 460, 460))
    page.note(
        "Press **Run**: nothing is loaded and no model files are needed. *1* looks at this machine, *2* says "
        "what runs on it, *3* what another card would run.\n\n"
        "- **A card you think of buying**: write it into *3* (*RTX 5070 Ti*, or just *24 GB*).\n"
        "- **Only what you have**: switch on *installed_only*.\n"
        "- **The other way round**: set *task* to *which GPU* and name the models in *also_loaded*.",
        height=230,
    )
    with page.group("1 This machine"):
        probe = page.node("VramwiseGPUProbe", "GPU Probe", panel=190)
    with page.group("2 What runs on it", column=1):
        page.node("VramwiseModelAdvisor", "Model Advisor", gpu=probe["gpu"], task="all")
    with page.group("3 What another card would run", column=2):
        page.node("VramwiseModelAdvisor", "Another card", what_if="RTX 4060 Ti 16 GB", task="all")
    return page


def advisor_picks_the_model() -> Drawing:
    page = Drawing(
        "advisor_picks_the_model", "Let the advisor pick the OCR model", widths=(280, 300, 330, 290, 320)
    )
    page.note(
        "*Model Advisor* picks the best OCR model that fits this machine, *OCR Model Loader* takes it. The "
        "text is read, the OCR model's memory is given back, then the image model paints what the text is "
        "about.\n\n"
        "- **Your picture**: in *1*. **The style**: in *5*.\n"
        "- **OCR models**: what is installed, at least the built-in engine; switch off *installed_only* to "
        "see what a download would bring.\n"
        f"- **Model file**: {SD15_FILE}. Without it the text is still read.",
        height=430,
    )
    with page.group("1 Picture", column=1):
        picture = page.node("LoadImage", "Your picture", tall=334, image=SAMPLE)
    with page.group("2 Model", column=1):
        checkpoint = page.node("CheckpointLoaderSimple", "Image model", tall=130, ckpt_name=SD15)
    with page.group("3 Pick", column=2):
        advisor = page.node(
            "VramwiseModelAdvisor", "Model Advisor", panel=150, task="OCR", installed_only=True
        )
        loader = page.node(
            "VramwiseOCRModelLoader",
            "As the advisor says",
            model=advisor["model"],
            precision=advisor["precision"],
        )
    with page.group("4 Read", column=3):
        ocr = page.node("VramwiseOCR", "Read", image=picture["IMAGE"], ocr_model=loader["ocr_model"])
    with page.group("5 Paint", column=4):
        release = page.node("VramwiseMemoryRelease", "Before sampling", panel=60, anything=ocr["text"])
        painted = paint_a_picture(page, release["same"], "a watercolour of", checkpoint)
        page.node("PreviewImage", "The picture", tall=200, images=painted["IMAGE"])
    return page


def caption_a_folder() -> Drawing:
    page = Drawing("caption_a_folder", "Caption a folder of pictures", widths=(300, 330, 380, 310))
    page.note(
        "Every picture of a folder gets a caption for training. *Save Text* writes both under one name "
        "(*cat.png*, *cat.txt*) into *ComfyUI/output/captions*, as trainers read them.\n\n"
        "- **What to change**: your folder in *1*, as it lies in *ComfyUI/input*. In *3* *task* makes short "
        "or long captions or tags; what you write into *prompt* is added to the wish, such as a style or a "
        "trigger word to begin with.\n"
        f"- **Model files**: {QWEN_FILES}. A larger one of the family writes better captions.",
        height=250,
    )
    with page.group("1 Pictures"):
        pages = page.node("VramwiseLoadPages", "Your folder", file=SAMPLE)
    with page.group("2 Model", column=1):
        loader = page.node("VramwiseOCRModelLoader", "OCR Model Loader", panel=TO_FETCH, model=CAPTIONS)
    with page.group("3 Caption", column=2):
        captions = page.node(
            "VramwiseOCR",
            "OCR Inference",
            tall=700,
            image=pages["images"],
            ocr_model=loader["ocr_model"],
            task="caption_short",
        )
    with page.group("4 Files", column=3):
        page.node(
            "VramwiseSaveText",
            "Pictures and captions",
            text=captions["texts"],
            image=pages["images"],
            names=pages["names"],
            format="txt",
            filename_prefix="captions/caption",
            if_exists="overwrite",
        )
    return page


def pdf_to_markdown() -> Drawing:
    page = Drawing("pdf_to_markdown", "Turn a PDF into Markdown", widths=(300, 290, 380, 380))
    page.note(
        "The pages of a PDF (or of a TIFF, or all documents of a folder) are read one after the other; each "
        "document becomes a *.md* file in *ComfyUI/output/documents*.\n\n"
        "- **What to change**: your file in *1*, as it lies in *ComfyUI/input* (*report.pdf*), and the "
        "pages, if not all (*1-3,7*). A file a page: switch off *join* in *4*.\n"
        "- **Model files**: none for the built-in *rapid*. Headings, tables and formulas come with a model "
        "that knows layouts: choose *dots_ocr* or *qwen3_vl_2b* in *2*; its table says which files it wants, "
        "where, and whether it fits.",
        height=270,
    )
    with page.group("1 Pages"):
        pages = page.node("VramwiseLoadPages", "Your PDF", file=SAMPLE)
    with page.group("2 Model", column=1):
        loader = page.node("VramwiseOCRModelLoader", "OCR Model Loader", model="rapid")
    with page.group("3 Read", column=2):
        read = page.node(
            "VramwiseOCR",
            "OCR Inference",
            image=pages["images"],
            ocr_model=loader["ocr_model"],
            task="markdown",
        )
    with page.group("4 Result", column=3):
        page.node(
            "VramwiseSaveText",
            "A file for each document",
            text=read["markdown"],
            names=pages["names"],
            format="md",
            filename_prefix="documents/page",
            join=True,
        )
        page.node("PreviewAny", "The first page", tall=320, source=read["markdown"])
    return page


def share_a_small_card() -> Drawing:
    page = Drawing(
        "share_a_small_card", "OCR and an image model on a small card", widths=(290, 290, 310, 310, 310)
    )
    page.note(
        "Both models take turns in the same memory: OCR reads a picture, the image model paints what it "
        "says, OCR reads the painting. ComfyUI moves either out when the other needs room.\n\n"
        "- **What to change**: your picture in *1*; on 6 GB or less *precision* *int4* in *2*. The built-in "
        "*rapid* reads on the CPU and leaves the card alone.\n"
        f"- **Model files**: {SD15_FILE}; {QWEN_FILES}.",
        height=430,
    )
    with page.group("1 Picture"):
        picture = page.node("LoadImage", "Your picture", tall=334, image=SAMPLE)
    with page.group("2 Models", column=1):
        checkpoint = page.node("CheckpointLoaderSimple", "Image model", tall=130, ckpt_name=SD15)
        loader = page.node("VramwiseOCRModelLoader", "OCR Model Loader", panel=TO_FETCH, model=CAPTIONS)
    with page.group("3 Read", column=2):
        ocr = page.node(
            "VramwiseOCR",
            "Read the picture",
            panel=0,
            image=picture["IMAGE"],
            ocr_model=loader["ocr_model"],
        )
    with page.group("4 Paint", column=3):
        painted = paint_a_picture(page, ocr["text"], "a street with a sign that says:", checkpoint)
        page.node("PreviewImage", "The painting", tall=330, images=painted["IMAGE"])
    with page.group("5 Read again", column=4):
        again = page.node(
            "VramwiseOCR",
            "Read the painting",
            panel=0,
            image=painted["IMAGE"],
            ocr_model=loader["ocr_model"],
        )
        page.node(
            "VramwiseMemoryRelease", "Empty the card", panel=0, anything=again["text"], what="all models"
        )
    return page


# as they are offered: first what runs at once
DRAWINGS: tuple[Callable[[], Drawing], ...] = (
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
BLUEPRINTS: tuple[Callable[[], Blueprint], ...] = (
    replace_the_word_blueprint,
    remove_the_text_blueprint,
    best_of_a_batch_blueprint,
)

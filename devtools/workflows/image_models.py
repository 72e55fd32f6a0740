"""The models of the example workflows, and how a checkpoint makes a picture in them."""

from __future__ import annotations

from devtools.workflows.drawing import Drawing, Node, Output

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


def sd15_loader(page: Drawing, title: str, column: int = 0) -> Node:
    return page.node("CheckpointLoaderSimple", title, column, ckpt_name=SD15)


def sd15_picture(
    page: Drawing, prompt: Output, columns: tuple[int, int, int], checkpoint: Node | None = None
) -> Node:
    """The usual nodes from a prompt to a picture of 512 pixels: model and texts, sampler, decoder."""
    first, middle, last = columns
    model = checkpoint or sd15_loader(page, "4. Image model", first)
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

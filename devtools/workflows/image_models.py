"""The models of the example workflows, and how a checkpoint makes a picture in them.

Names, addresses and folders are those of ComfyUI's own templates; sha256 of flux1-schnell is in
template_files.csv, that of Stable Diffusion 1.5 is the one that huggingface.co states for its file. Nobody
states one of the inpainting checkpoint that we could look up, so it has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devtools.workflows.drawing import Drawing, Node, Output

FLUX = "flux1-schnell-fp8.safetensors"
SD15 = "v1-5-pruned-emaonly-fp16.safetensors"
INPAINT = "512-inpainting-ema.safetensors"
CHECKPOINTS = (FLUX, SD15, INPAINT)
CAPTIONS = "qwen3_vl_2b"
TO_FETCH = 290  # the room of a loader's panel that says how to get the model, also in Nodes 2.0

_REPOSITORIES = {
    FLUX: "Comfy-Org/flux1-schnell",
    SD15: "Comfy-Org/stable-diffusion-v1-5-archive",
    INPAINT: "Comfy-Org/stable_diffusion_2.1_repackaged",
}
_SHA256 = {
    FLUX: "ead426278b49030e9da5df862994f25ce94ab2ee4df38b556ddddb3db093bf72",
    SD15: "e9476a13728cd75d8279f6ec8bad753a66a1957ca375a1464dc63b37db6e3916",
}


def _model(file: str) -> dict[str, Any]:
    """What newer frontends offer as a download where the file is missing."""
    url = f"https://huggingface.co/{_REPOSITORIES[file]}/resolve/main/{file}"
    hashes = {"hash": _SHA256[file], "hash_type": "SHA256"} if file in _SHA256 else {}
    return {"name": file, "url": url, "directory": "checkpoints", **hashes}


MODELS = {file: _model(file) for file in CHECKPOINTS}

FLUX_FILE = (
    f"{FLUX} (17.2 GB) in *models/checkpoints*, from "
    "[Comfy-Org/flux1-schnell](https://huggingface.co/Comfy-Org/flux1-schnell); ComfyUI's own template "
    "*Flux.1 Schnell FP8* brings it too"
)
SD15_FILE = (
    f"{SD15} (2.1 GB) in *models/checkpoints*, from [Comfy-Org/stable-diffusion-v1-5-archive]"
    "(https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive); the graph that a new ComfyUI opens "
    "with asks for it too"
)
INPAINT_FILE = (
    f"{INPAINT} (5.2 GB) in *models/checkpoints*, from [Comfy-Org/stable_diffusion_2.1_repackaged]"
    "(https://huggingface.co/Comfy-Org/stable_diffusion_2.1_repackaged); ComfyUI's *Inpaint* example uses it "
    "too"
)
QWEN_FILES = (
    "the folder of [Qwen/Qwen3-VL-2B-Instruct](https://huggingface.co/Qwen/Qwen3-VL-2B-Instruct) (4.3 GB) as "
    "*models/LLM/Qwen3-VL-2B-Instruct*, or press *Download* in the loader's panel"
)


def sampled(
    page: Drawing,
    checkpoint: Node,
    wanted: Node,
    unwanted: Node,
    latent: Node,
    *,
    steps: int,
    cfg: float,
    scheduler: str,
    title: str = "To picture",
) -> tuple[Node, Node]:
    """A sampler of ``checkpoint`` and the decoder behind it, called ``title``."""
    sampler = page.node(
        "KSampler",
        "Sampling",
        model=checkpoint["MODEL"],
        positive=wanted["CONDITIONING"],
        negative=unwanted["CONDITIONING"],
        latent_image=latent["LATENT"],
        seed=1,
        steps=steps,
        cfg=cfg,
        sampler_name="euler",
        scheduler=scheduler,
    )
    return sampler, page.node("VAEDecode", title, samples=sampler["LATENT"], vae=checkpoint["VAE"])


def paint_a_picture(page: Drawing, words: Output, style: str, checkpoint: Node) -> Node:
    """From words to a picture of 512 pixels, as one node: its texts, a sampler, a decoder."""
    with page.fold("Paint a Picture", tall=320) as fold:
        wish = page.node(
            "StringConcatenate", "How to paint it", string_a=style, string_b=words, delimiter=" "
        )
        wanted = page.node("CLIPTextEncode", "Wanted", clip=checkpoint["CLIP"], text=wish["STRING"])
        unwanted = page.node("CLIPTextEncode", "Unwanted", clip=checkpoint["CLIP"], text="blurry, deformed")
        size = page.node("EmptyLatentImage", "Size", width=512, height=512, batch_size=1)
        sampler, painted = sampled(
            page, checkpoint, wanted, unwanted, size, steps=20, cfg=7.0, scheduler="normal"
        )
        fold.show(wish, "string_a")
        fold.show(sampler, "seed", "steps", "cfg")
    return painted

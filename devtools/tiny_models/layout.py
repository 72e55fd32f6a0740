"""A tiny PP-DocLayoutV3: the real class, the published labels, random weights."""

from __future__ import annotations

from pathlib import Path

from devtools.tiny_models.shared import transformers_class

# Of the published config.json's id2label, as zai-org/GLM-OCR's glmocr/config.yaml has it too.
LABELS = (
    "abstract",
    "algorithm",
    "aside_text",
    "chart",
    "content",
    "display_formula",
    "doc_title",
    "figure_title",
    "footer",
    "footer_image",
    "footnote",
    "formula_number",
    "header",
    "header_image",
    "image",
    "inline_formula",
    "number",
    "paragraph_title",
    "reference",
    "reference_content",
    "seal",
    "table",
    "text",
    "vertical_text",
    "vision_footnote",
)


def pp_doclayout_v3(folder: Path) -> None:
    """A folder as the published one: pages are looked at in 800 x 800 pixels there, in 128 x 128 here."""
    import torch

    net_class = transformers_class("PPDocLayoutV3ForObjectDetection")
    config_class = transformers_class("PPDocLayoutV3Config")
    widths = [32, 32, 32, 32]
    config = config_class(
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
        backbone_config={
            "model_type": "hgnet_v2",
            "arch": "L",
            "return_idx": [0, 1, 2, 3],
            "hidden_sizes": widths,
            "stem_channels": [3, 32, 32],
            "stage_in_channels": widths,
            "stage_mid_channels": widths,
            "stage_out_channels": widths,
            "out_features": ["stage1", "stage2", "stage3", "stage4"],
        },
        encoder_in_channels=[32, 32, 32],
        encoder_hidden_dim=32,
        encoder_ffn_dim=64,
        encoder_attention_heads=2,
        d_model=32,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=64,
        decoder_layers=2,
        decoder_attention_heads=2,
        num_queries=30,
        mask_feature_channels=[32, 32],
        x4_feat_dim=32,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = net_class(config)
    net.eval().save_pretrained(folder)
    processor = transformers_class("PPDocLayoutV3ImageProcessor")(size={"height": 128, "width": 128})
    processor.save_pretrained(folder)

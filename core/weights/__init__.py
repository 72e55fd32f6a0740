"""Where weights are: find, verify, download, and the cache of quantised ones.

Names are imported at first use: ComfyUI starts with none of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_imports import from_modules

if TYPE_CHECKING:
    from .checkpoint_files import TensorInfo, read_config, tensor_index, verify
    from .checkpoints import (
        Checkpoint,
        local_checkpoint,
        local_checkpoints,
        locate,
    )
    from .file_transfer import DownloadStopped
    from .folder_search import huggingface_cache, searched_model_folders
    from .model_download import download_model
    from .recognisers import download, find, searched_folders

_HOME = {
    "Checkpoint": "checkpoints",
    "DownloadStopped": "file_transfer",
    "TensorInfo": "checkpoint_files",
    "download": "recognisers",
    "download_model": "model_download",
    "find": "recognisers",
    "huggingface_cache": "folder_search",
    "local_checkpoint": "checkpoints",
    "local_checkpoints": "checkpoints",
    "locate": "checkpoints",
    "read_config": "checkpoint_files",
    "searched_folders": "recognisers",
    "searched_model_folders": "folder_search",
    "tensor_index": "checkpoint_files",
    "verify": "checkpoint_files",
}
__all__ = [
    "Checkpoint",
    "DownloadStopped",
    "TensorInfo",
    "download",
    "download_model",
    "find",
    "huggingface_cache",
    "local_checkpoint",
    "local_checkpoints",
    "locate",
    "read_config",
    "searched_folders",
    "searched_model_folders",
    "tensor_index",
    "verify",
]

__getattr__ = from_modules(__name__, _HOME)

"""Where weights are: find, verify, download, and the cache of quantised ones."""

from .checkpoints import (
    Checkpoint,
    TensorInfo,
    huggingface_cache,
    local_checkpoint,
    local_checkpoints,
    locate,
    read_config,
    searched_model_folders,
    tensor_index,
    verify,
)
from .hub import DownloadStopped, download_model
from .recognisers import download, find, folder_to_write, searched_folders

__all__ = [
    "Checkpoint",
    "DownloadStopped",
    "TensorInfo",
    "download",
    "download_model",
    "find",
    "folder_to_write",
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

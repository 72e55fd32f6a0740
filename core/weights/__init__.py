"""Where weights are: find, verify, download."""

from .recognisers import download, find, folder_to_write, searched_folders

__all__ = ["download", "find", "folder_to_write", "searched_folders"]

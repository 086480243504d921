"""What a file is by its content, whatever it is called."""

from __future__ import annotations

import codecs
from typing import IO

HEAD = 1 << 12
_ZIP_END = (1 << 16) + 22
_BY_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x5d\x00\x00", "xz"),
    (b"\x04\x22M\x18", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x93NUMPY", "npy"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"GGUF", "gguf"),
    (b"CBM1", "catboost"),
    (b"\x7fELF", "native code"),
    *((magic, "native code") for magic in (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")),
    (b"\xca\xfe\xba\xbe", "native code"),
    (b"\x00asm", "native code"),
    (b"\x89PNG\r\n\x1a\n", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"),
)  # fmt: skip
COMPRESSED = ("gzip", "bzip2", "xz", "lz4", "zlib", "zstd")
CONTAINERS = (*COMPRESSED, "zip", "tar", "npy", "hdf5")  # which may hold pickles of their own
PICKLE_NAMES = (
    ".pkl",
    ".pickle",
    ".pck",
    ".p",
    ".joblib",
    ".jbl",
    ".cloudpickle",
    ".dill",
    ".pt",
    ".pth",
    ".ckpt",
    ".th",
)
_CODE_NAMES = (
    *(".py", ".pyc", ".pyo", ".pyw", ".pyx", ".pyz", ".ipynb", ".so", ".dll", ".dylib", ".pyd", ".exe", ".sh", ".bash"),
    *(".bat", ".cmd", ".ps1", ".js", ".mjs", ".jar", ".class", ".r", ".jl", ".rb", ".pl", ".lua", ".egg", ".whl"),
)
_TENSORFLOW = ("saved_model.pb", "keras_metadata.pb", "fingerprint.pb")
_UBJSON = tuple(b"{" + kind for kind in (b"L\x00", b"l\x00", b"i", b"U", b"I\x00"))


def is_code(name: str) -> bool:
    """Whether a file is code by its name: source, byte code, a library, or a package of them."""
    last = name.rpartition("/")[2].lower()
    return last.endswith(_CODE_NAMES) or ".so." in last


def format_of(head: bytes, name: str) -> str:
    """The format of a file from its first bytes; `binary` where they say nothing, `text` where they may be text."""
    if not head:
        return "empty"
    for magic, kind in _BY_MAGIC:
        if head.startswith(magic):
            return kind
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:
        return "pickle"
    last = name.rpartition("/")[2].lower()
    if head[0] == 0x78 and len(head) > 1 and int.from_bytes(head[:2], "big") % 31 == 0 and not is_text(head):
        return "zlib"
    if head[257:262] == b"ustar":
        return "tar"
    if len(head) > 9 and head[8:9] == b"{" and 1 < int.from_bytes(head[:8], "little") < 1 << 40:
        return "safetensors"
    if last.endswith(".onnx") or last in _TENSORFLOW or last.endswith(".pb"):
        return "protobuf"
    if head.startswith(b"#!"):
        return "script"
    if head.startswith(_UBJSON) and not is_text(head):
        return "ubjson"
    if head.startswith(b"binf") and not is_text(head):
        return "xgboost"
    if is_text(head):
        return "text"
    parts = name.lower().split("/")
    if len(parts) > 1 and parts[-2] == "variables" and last.startswith("variables."):
        return "tensorflow variables"
    if head.startswith(b"MZ"):
        return "native code"
    return "binary"


def hidden_formats(file: IO[bytes]) -> list[str]:
    """What a file is to readers that look at its end, or further in: zip, HDF5."""
    length = file.seek(0, 2)
    file.seek(max(0, length - _ZIP_END))
    hidden = ["zip"] if b"PK\x05\x06" in file.read() else []
    at = 512
    while at < length:
        file.seek(at)
        if file.read(8) == b"\x89HDF\r\n\x1a\n":
            hidden.append("hdf5")
            break
        at *= 2
    return hidden


def is_text(head: bytes) -> bool:
    """Whether the first bytes of a file are text in UTF-8; a sign may be cut at their end."""
    if b"\x00" in head:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True

"""The file of an artifact: a zip of stored members, of which no number is believed unchecked.

Whoever made the file may have meant harm: sizes are compared with the file before anything of that
size is made, so that reading takes the memory of the file itself and little beside it.
"""

from __future__ import annotations

import json
import math
import os
import struct
import zipfile
from io import BytesIO
from typing import IO, Any

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

CONFIG, WEIGHTS, METADATA = "config.json", "weights.safetensors", "_metadata"

LARGEST_JSON = 16 * 2**20  # bytes
MOST_CONTAINERS = 300_000  # objects and lists in it, which take far more memory than their text
MOST_ENTRIES = 500_000  # of all of these
MOST_TENSORS = 10_000
_LARGEST_DIRECTORY = 1_000  # bytes in which a zip file lists three members
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class ArtifactError(ValueError):
    """A file that is no artifact of this package, is damaged, or was made by a newer version."""


def packed_weights(tensors: dict[str, Tensor]) -> bytes:
    """Return tensors as safetensors.

    Raises
    ------
    ValueError
        If there are more than an artifact can have.
    """
    if len(tensors) > MOST_TENSORS:
        raise ValueError(f"an artifact holds up to {MOST_TENSORS} tensors, got {len(tensors)}.")
    return save_tensors({name: tensor.contiguous() for name, tensor in tensors.items()})


def packed(config: dict[str, Any], weights: bytes, metadata: bytes) -> bytes:
    """Return the file; equal contents make equal files.

    Numbers that JSON does not have become objects, see `number_of`.

    Raises
    ------
    ValueError
        If the configuration is larger than can be read.
    """
    text = json.dumps(_finite(config), indent=1, allow_nan=False).encode()
    _check_json_size(text)
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {CONFIG: text, WEIGHTS: weights, METADATA: metadata}.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def unpacked(file: IO[bytes]) -> tuple[dict[str, Any], bytearray]:
    """Return configuration and weights of a file; `METADATA` is not even looked at.

    Raises
    ------
    Exception
        Of any kind, if the file is no such archive. Its size bounds time and memory.
    """
    size = file.seek(0, os.SEEK_END)
    _check_directory(file, size)
    with zipfile.ZipFile(file) as archive:
        members: dict[str, zipfile.ZipInfo] = {}
        for member in archive.infolist():
            _check_member(member, size)
            if member.filename in members:
                raise ArtifactError(f"it has {member.filename} twice")
            members[member.filename] = member
        if not {CONFIG, WEIGHTS} <= set(members):
            raise ArtifactError(f"it lacks {CONFIG} or {WEIGHTS}")
        if members[CONFIG].file_size > LARGEST_JSON:
            raise ArtifactError("its configuration is too large")
        config = parsed_json(bytes(_content(archive, members[CONFIG])))
        return config, _content(archive, members[WEIGHTS])


def unpacked_weights(weights: bytearray) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, which share its memory.

    Its header must describe every byte behind it once, which bounds what the tensors can hold.

    Raises
    ------
    ArtifactError
        If the header does not describe the file.
    """
    start = 8 + int.from_bytes(weights[:8], "little")
    if not 8 < start <= min(len(weights), LARGEST_JSON):
        raise ArtifactError("the weights have no header")
    header = parsed_json(bytes(weights[8:start]))
    if len(header) > MOST_TENSORS:
        raise ArtifactError(f"there are more than {MOST_TENSORS} tensors")
    tensors = {}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: _offsets(item[1])):
        begin, stop = _offsets(entry)
        dtype, shape = _DTYPES[entry["dtype"]], _shape(entry["shape"])
        if begin != end or stop - begin != math.prod(shape) * dtype.itemsize:
            raise ArtifactError(f"the sizes of tensor {name!r} contradict each other")
        end = stop
        if stop > len(weights) - start:
            raise ArtifactError(f"tensor {name!r} is larger than the file")
        tensors[name] = torch.empty(shape, dtype=dtype)
        if stop > begin:
            flat = torch.frombuffer(
                weights, dtype=dtype, count=math.prod(shape), offset=start + begin
            )
            tensors[name] = flat.reshape(shape)
    if start + end != len(weights):
        raise ArtifactError("there are bytes behind the weights")
    return tensors


def parsed_json(text: bytes) -> dict[str, Any]:
    """Read a JSON object of bounded size, without NaN, infinity and repeated keys."""
    _check_json_size(text)
    content = json.loads(
        text.decode(),
        parse_constant=_refused_constant,
        parse_float=_finite_float,
        object_pairs_hook=_object,
    )
    if not isinstance(content, dict):
        raise ArtifactError("its JSON is no object")
    return content


def number_of(value: Any) -> Any:
    """Return NaN or infinity where JSON stands for it; anything else as it is.

    Examples
    --------
    >>> number_of({"float": "-inf"}), number_of(3)
    (-inf, 3)
    """
    if isinstance(value, dict):
        match value:
            case {"float": "nan" | "inf" | "-inf" as text, **rest} if not rest:
                return float(text)
    return value


def _finite(value: Any) -> Any:
    """Undo `number_of`, wherever there is such a number."""
    match value:
        case float() if not math.isfinite(value):
            return {"float": str(float(value))}
        case dict():
            return {key: _finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_finite(inner) for inner in value]
    return value


def _check_json_size(text: bytes) -> None:
    n_containers, n_entries = text.count(b"{") + text.count(b"["), text.count(b",")
    if len(text) > LARGEST_JSON or n_containers > MOST_CONTAINERS or n_entries > MOST_ENTRIES:
        raise ArtifactError(
            f"JSON of an artifact has up to {LARGEST_JSON} bytes and {MOST_CONTAINERS} "
            f"lists and objects with {MOST_ENTRIES} entries; this has more."
        )


def _refused_constant(name: str) -> None:
    raise ArtifactError(f"{name} is no number of JSON")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ArtifactError(f"{text} is not finite")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ArtifactError("JSON has a key twice")
    return content


def _check_directory(file: IO[bytes], size: int) -> None:
    """Refuse a list of members that is longer than three names need, before zipfile reads it.

    The end of a zip file without a comment: a record of 56 bytes and a pointer of 20 to it, if
    there is more than 4 GB; a record of 22 bytes.
    """
    file.seek(0)
    if file.read(4) != b"PK\3\4":
        raise ArtifactError("it is no zip file")
    file.seek(max(0, size - 98))
    tail = file.read(98)
    if tail[-22:-18] != b"PK\5\6" or tail[-2:] != b"\0\0":
        raise ArtifactError("it is no zip file, or cut off")
    length = int.from_bytes(tail[-10:-6], "little")
    if tail[-42:-38] == b"PK\6\7":
        (length,) = struct.unpack_from("<Q", tail, 40)
    if length > _LARGEST_DIRECTORY:
        raise ArtifactError("its list of members is too long")


def _check_member(member: zipfile.ZipInfo, size: int) -> None:
    """Refuse what `packed` does not write: other names, compression, sizes beyond the file."""
    if member.filename not in (CONFIG, WEIGHTS, METADATA):
        raise ArtifactError(f"it has a member {member.filename[:80]!r}")
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits:
        raise ArtifactError(f"its member {member.filename} is compressed or encrypted")
    if not member.file_size == member.compress_size <= size:
        raise ArtifactError(f"its member {member.filename} is larger than the file")


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytearray:
    """Read a member in blocks, so that it is in memory once; zipfile compares its checksum."""
    content = bytearray(member.file_size)
    position = 0
    with archive.open(member) as stream:
        while block := stream.read(2**20):
            content[position : position + len(block)] = block
            position += len(block)
    if position != len(content):
        raise ArtifactError(f"its member {member.filename} is cut off")
    return content


def _offsets(entry: Any) -> tuple[int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ArtifactError("the header of the weights is no safetensors header")
    begin, stop = _shape(entry["data_offsets"])
    return begin, stop


def _shape(numbers: Any) -> tuple[int, ...]:
    if not isinstance(numbers, list) or len(numbers) > 8:
        raise ArtifactError("a tensor of the weights has no shape")
    if not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
        raise ArtifactError("a tensor of the weights has an impossible shape")
    return tuple(numbers)

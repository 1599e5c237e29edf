"""Artifacts that somebody has edited, and what loading them costs."""

import hashlib
import json
import re
import time
import zipfile
from pathlib import Path

import pytest
import safetensors.torch

from simmtm_sk import ArtifactError, load

needs_linux = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peak memory is read as Linux tells it"
)


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, contents, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def edit(path, config=None, tensors=None, **options):
    """Change an artifact and renew its checksum, as somebody would who knows the format."""
    contents = members(path)
    if tensors is not None:
        named = safetensors.torch.load(contents["weights.safetensors"])
        tensors(named)
        contents["weights.safetensors"] = safetensors.torch.save(named)
    described = json.loads(contents["config.json"])
    described["weights_sha256"] = hashlib.sha256(contents["weights.safetensors"]).hexdigest()
    if config is not None:
        config(described)
    contents["config.json"] = json.dumps(described).encode()
    write(path, contents, **options)


def peak_of_process(reset=False):
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def cost(path):
    """Load; return what came of it, CPU seconds, and megabytes beyond twice the file."""
    before, start = peak_of_process(reset=True), time.process_time()
    try:
        outcome = load(path)
    except ArtifactError as error:
        outcome = error
    seconds = time.process_time() - start
    return outcome, seconds, peak_of_process() - before - 2 * path.stat().st_size / 2**20


def refused(path, match="."):
    outcome, seconds, megabytes = cost(path)
    assert isinstance(outcome, ArtifactError), outcome
    assert re.search(match, str(outcome)), outcome
    assert seconds < 2
    assert megabytes < 200

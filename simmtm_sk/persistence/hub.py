"""Artifacts on the Hugging Face hub: the same file as `save` writes, in a repository there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .saving import HUB, Saveable, to_bytes

FILE = "simmtm_sk.zip"
_REPOSITORY = r"[\w.-]+/[\w.-]+"
_ADDRESS = re.compile(rf"{HUB}({_REPOSITORY})(?:@([\w./-]+))?")


def push_to_hub(
    estimator: Saveable,
    repo_id: str,
    *,
    revision: str | None = None,
    private: bool | None = None,
    token: str | None = None,
) -> str:
    """Save a fitted estimator on the Hugging Face hub, from where `load` reads it.

    Needs the extra ``hub``. The file is that of `save`: JSON and safetensors, nothing of which is
    ever executed.

    Parameters
    ----------
    estimator : estimator of this package
        Fitted.
    repo_id : str
        "owner/name"; the repository is made where there is none.
    revision : str or None, default=None
        Branch to write to, which must be there; None is "main".
    private : bool or None, default=None
        Whether a new repository is; None is what is usual for the owner.
    token : str or None, default=None
        None is the one that ``hf auth login`` or the environment has left.

    Returns
    -------
    str
        The address of this very state, "hub:owner/name@commit", for `load`.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If there is nothing to save yet.
    ImportError
        If huggingface_hub is not installed.
    ValueError
        If ``repo_id`` is none.
    huggingface_hub.errors.HfHubHTTPError
        Whatever the hub says, such as that the token may not write there.

    Examples
    --------
    >>> from simmtm_sk import SimMTMTransformer, load, push_to_hub
    >>> address = push_to_hub(fitted, "me/leaves")  # doctest: +SKIP
    >>> load(address)  # doctest: +SKIP
    SimMTMTransformer()
    """
    if not re.fullmatch(_REPOSITORY, repo_id):
        raise ValueError(f"repo_id must be 'owner/name', got {repo_id!r}.")
    estimator.check_is_fitted()
    hub = _hub()
    api = hub.HfApi(token=token, library_name="simmtm_sk")
    api.create_repo(repo_id, private=private, exist_ok=True)
    commit = api.upload_file(
        path_or_fileobj=to_bytes(estimator),
        path_in_repo=FILE,
        repo_id=repo_id,
        revision=revision,
        commit_message=f"{type(estimator).__name__} of simmtm_sk",
    )
    return f"{HUB}{repo_id}@{commit.oid}"


def downloaded(address: str) -> Path:
    """Return where the artifact of an address, "hub:owner/name[@revision]", is on this machine.

    Raises
    ------
    ValueError
        If this is no address.
    FileNotFoundError
        If there is no such repository or revision, none for this token, or no artifact in it.
    """
    repo_id, revision = _parts(address)
    hub = _hub()
    missing = (
        hub.errors.RepositoryNotFoundError,  # also of what is private
        hub.errors.RevisionNotFoundError,
        hub.errors.EntryNotFoundError,
    )
    try:
        api = hub.HfApi(library_name="simmtm_sk")
        return Path(api.hf_hub_download(repo_id, FILE, revision=revision))
    except missing as error:
        raise FileNotFoundError(f"there is no artifact at {address}: {error}") from error


def _parts(address: str) -> tuple[str, str | None]:
    """Return repository and revision of an address."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError(
            f"an address on the hub is '{HUB}owner/name' or '{HUB}owner/name@revision', with "
            f"letters, digits and '-_.', got {address!r}."
        )
    return match[1], match[2]


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise ImportError(
            "The hub needs huggingface_hub, which comes with the extra: "
            "pip install 'simmtm_sk[hub]'"
        ) from error
    return huggingface_hub

"""Signatures of release folders: Ed25519 over ``SHA256SUMS``, readable by OpenSSL."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.utils import optional_import

from monai_distill.runtime.atomic_file import atomic_write

__all__ = ["SIGNATURE_FILE", "private_key", "sign_release", "signature_problem"]

SIGNATURE_FILE, SUMS_FILE = "SHA256SUMS.sig", "SHA256SUMS"


def private_key(file: str | Path) -> Any:
    """Read an unencrypted Ed25519 private key in PEM format.

    Raises:
        RuntimeError: if ``cryptography`` is not installed.
        ValueError: if the file is not such a key.
    """
    serialization, ed25519 = _library()
    try:
        key = serialization.load_pem_private_key(Path(file).read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"Expected an unencrypted Ed25519 private key in PEM format, got {file} ({error}). Make one with: openssl "
            f"genpkey -algorithm ed25519 -out KEY.pem. With another key, sign the folder's {SUMS_FILE} with openssl: "
            f"pkeyutl -sign -rawin -inkey KEY.pem -in {SUMS_FILE} -out {SIGNATURE_FILE}"
        ) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ValueError(f"Expected an Ed25519 private key, got a {type(key).__name__} in {file}.")
    return key


def sign_release(folder: str | Path, key: Any) -> Path:
    """Write ``SHA256SUMS.sig``, the signature of ``SHA256SUMS``, which has a checksum of every other file.

    OpenSSL verifies it: ``openssl pkeyutl -verify -pubin -inkey PUBLIC.pem -rawin -in SHA256SUMS -sigfile
    SHA256SUMS.sig``.

    Args:
        folder: of the release.
        key: from :func:`private_key`.

    Example:
        >>> import tempfile
        >>> from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "SHA256SUMS").write_text("...")
        >>> len(sign_release(folder, Ed25519PrivateKey.generate()).read_bytes())
        64
    """
    file = Path(folder) / SIGNATURE_FILE
    atomic_write(file, key.sign((Path(folder) / SUMS_FILE).read_bytes()))
    return file


def signature_problem(folder: str | Path, trusted: str | Path) -> str | None:
    """Why the signature does not prove that the holder of the trusted key signed the folder; None if it does.

    Args:
        folder: of the release.
        trusted: the sender's public key in PEM format, received separately from the folder.

    Raises:
        RuntimeError: if ``cryptography`` is not installed.
        ValueError: if ``trusted`` is not an Ed25519 public key.
    """
    serialization, ed25519 = _library()
    try:
        key = serialization.load_pem_public_key(Path(trusted).read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(
            f"Expected an Ed25519 public key in PEM format, got {trusted} ({error}). The sender makes it with: openssl "
            "pkey -in KEY.pem -pubout -out PUBLIC.pem"
        ) from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise ValueError(f"Expected an Ed25519 public key, got a {type(key).__name__} in {trusted}.")
    file = Path(folder) / SIGNATURE_FILE
    if not file.is_file():
        return f"{SIGNATURE_FILE} is missing: the folder is not signed."
    invalid, _ = optional_import("cryptography.exceptions", name="InvalidSignature")
    try:
        key.verify(file.read_bytes(), (Path(folder) / SUMS_FILE).read_bytes())
    except invalid:
        return f"{SIGNATURE_FILE} is not a signature of these checksums by the key {trusted}."
    return None


def _library() -> tuple[Any, Any]:
    serialization, installed = optional_import("cryptography.hazmat.primitives.serialization")
    ed25519, _ = optional_import("cryptography.hazmat.primitives.asymmetric.ed25519")
    if not installed:
        raise RuntimeError("Signatures require the package cryptography: pip install 'monai-distill[signing]'.")
    return serialization, ed25519

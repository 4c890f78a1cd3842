"""Signatures: the holder of the key signed these files, and OpenSSL agrees."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from monai_distill.export.release import Verification
from monai_distill.export.release.signature import private_key, sign_release
from monai_distill.runtime.checksums import checksums


def write_keys(folder: Path, name: str = "clinic", kind: type = Ed25519PrivateKey) -> tuple[Path, Path]:
    """A private and a public key in PEM format, as ``openssl genpkey`` and ``openssl pkey -pubout`` write them."""
    key = kind.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public


def test_a_signed_folder_verifies_with_the_key_of_its_sender_alone(released: Path, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path)
    _, other = write_keys(tmp_path, "other")
    assert "is missing: the folder is not signed" in Verification.of(released, trusted=public).problems[0]
    sign_release(released, private_key(private))
    result = Verification.of(released, trusted=public)
    assert result.problems == ()
    assert f"The holder of the key {public} signed SHA256SUMS." in result.checked
    assert "is not a signature of these checksums by the key" in Verification.of(released, trusted=other).problems[0]
    unused = Verification.of(released)
    assert unused.problems == ()
    assert any("it is signed, use --trusted" in line for line in unused.not_checked)


def test_new_checksums_break_the_signature(released: Path, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path)
    sign_release(released, private_key(private))
    (released / "LICENSE").write_text("do as you like")
    sums = (line for line in checksums(released).splitlines(keepends=True) if not line.endswith(".sig\n"))
    (released / "SHA256SUMS").write_text("".join(sums))
    assert any("is not a signature" in problem for problem in Verification.of(released, trusted=public).problems)


def test_a_signature_of_another_length_is_a_problem(released: Path) -> None:
    (released / "SHA256SUMS.sig").write_bytes(b"Jane Doe" * 9)
    assert any("SHA256SUMS.sig" in problem for problem in Verification.of(released).problems)


def test_other_files_are_refused_as_keys(released: Path, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path)
    exchange, exchange_public = write_keys(tmp_path, "exchange", X25519PrivateKey)
    for file in (public, exchange, tmp_path / "absent.pem"):
        with pytest.raises(ValueError, match="Ed25519 private key"):
            private_key(file)
    for file in (private, exchange_public, tmp_path / "absent.pem"):
        with pytest.raises(ValueError, match="Ed25519 public key"):
            Verification.of(released, trusted=file)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="OpenSSL is not installed")
def test_openssl_makes_keys_that_work_and_verifies_the_signature(released: Path, tmp_path: Path) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    signature = sign_release(released, private_key(private))
    assert Verification.of(released, trusted=public).problems == ()
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin"]
    words += ["-in", released / "SHA256SUMS", "-sigfile", signature]
    assert subprocess.run(words, check=False, capture_output=True).returncode == 0

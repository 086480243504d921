"""Whether a model's files are those that somebody signed, by a signature of OpenSSF Model Signing that lies among them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from lockgate.errors import GateBroken
from lockgate.models.artifact.problem import printable


@dataclass(frozen=True)
class Signer:
    """public_key: PEM text. signature: the path of the signature from the model's root."""

    public_key: str
    signature: str


def signature_fault(folder: Path, signer: Signer) -> str | None:
    """Why the signature is not one of all these files by this key, None where it is. Raises GateBroken where it cannot be verified."""
    try:
        from model_signing import verifying
    except ImportError as error:
        raise GateBroken(
            f"model-signing cannot be imported: {error}", remedy="pip install 'lockgate[signing]'"
        ) from error
    signature = folder / signer.signature
    if not signature.is_file() or signature.is_symlink():
        return "is not there, and the files are to be signed"
    with tempfile.NamedTemporaryFile("w", suffix=".pub") as key:
        key.write(signer.public_key)
        key.flush()
        try:
            config = verifying.Config().use_elliptic_key_verifier(public_key=key.name)
        except Exception as error:  # each kind of key has errors of its own
            raise GateBroken(
                f"signing.public_key is no key: {printable(str(error))}", remedy="write the PEM text of an elliptic key"
            ) from error
        try:
            config.verify(folder, signature)
        except Exception as error:  # whatever breaks at a signature has not shown that it holds
            return f"does not hold for these files: {printable(str(error))}"
    return None

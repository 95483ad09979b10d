"""The X.509 verifier of pyca's `cryptography`, which sigstore-python is built on, alone: no code of Sigstore's.

    pyca.py ROOT_PEM CHAIN_PEM LEAF_PEM SECONDS

Verifies the leaf as a certificate for code signing at SECONDS since 1970, by its own rules for all that it knows: those of the web for a
CA, and for the leaf what the web demands but for its purpose. Prints `verified` with the names, or `refused: why`.
"""

import sys
from datetime import datetime, timezone
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)


def for_code_signing(policy, certificate, usage) -> None:
    if ExtendedKeyUsageOID.CODE_SIGNING not in usage:
        raise ValueError("not for code signing")


def for_all_or_code_signing(policy, certificate, usage) -> None:
    if usage is not None:
        for_code_signing(policy, certificate, usage)


root, chain, leaf = (x509.load_pem_x509_certificates(Path(name).read_bytes()) for name in sys.argv[1:4])
at = datetime.fromtimestamp(int(sys.argv[4]), timezone.utc)
ca_policy = ExtensionPolicy.webpki_defaults_ca().may_be_present(
    x509.ExtendedKeyUsage, Criticality.AGNOSTIC, for_all_or_code_signing
)
leaf_policy = ExtensionPolicy.webpki_defaults_ee().require_present(
    x509.ExtendedKeyUsage, Criticality.AGNOSTIC, for_code_signing
)
verifier = (
    PolicyBuilder()
    .store(Store(root))
    .time(at)
    .extension_policies(ca_policy=ca_policy, ee_policy=leaf_policy)
    .build_client_verifier()
)
try:
    verified = verifier.verify(leaf[0], chain)
    print("verified", [name.value for name in verified.subjects])
except VerificationError as error:
    print(f"refused: {error}")
    sys.exit(1)

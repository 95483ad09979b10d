"""sigstore-python with the exported files, for what it does without a Rekor, which its commands demand.

    judge.py sign   CLIENT_TRUST_CONFIG TOKEN_FILE ARTIFACT BUNDLE
    judge.py verify TRUSTED_ROOT BUNDLE ARTIFACT IDENTITY ISSUER
    judge.py judge  QUESTIONS

`sign` gets a certificate as `sigstore sign` does, which verifies its SCT, and a timestamp where the configuration names an authority.
`judge` answers a file of questions with its whole Verifier, a line each.
`verify` does the steps of its Verifier but for the transparency log, and prints `refused: STEP: why` for the first that fails.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import decode_timestamp_response
from sigstore._internal.fulcio import FulcioClient
from sigstore._internal.sct import verify_sct
from sigstore._internal.timestamp import TimestampAuthorityClient
from sigstore._internal.trust import KeyringPurpose
from sigstore.models import Bundle, ClientTrustConfig, TrustedRoot
from sigstore.oidc import IdentityToken
from sigstore.sign import Signer, SigningContext
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity


def sign(config_file: str, token_file: str, artifact: str, bundle_file: str) -> None:
    config = ClientTrustConfig.from_json(Path(config_file).read_text())
    services = config._inner.signing_config
    # As `SigningContext.from_trust_config` makes it, but without a log.
    context = SigningContext(
        fulcio=FulcioClient(services.ca_urls[0].url),
        rekor=None,
        trusted_root=config.trusted_root,
        tsa_clients=[TimestampAuthorityClient(service.url) for service in services.tsa_urls],
    )
    signer = Signer(IdentityToken(Path(token_file).read_text()), context, cache=True)
    cert = signer._signing_cert()
    data = Path(artifact).read_bytes()
    signature = signer._private_key.sign(data, ec.ECDSA(hashes.SHA256()))
    stamps = [client.request_timestamp(signature) for client in context._tsa_clients]
    text = lambda raw: base64.b64encode(raw).decode()
    bundle = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": {"rawBytes": text(cert.public_bytes(Encoding.DER))},
            "timestampVerificationData": {
                "rfc3161Timestamps": [{"signedTimestamp": text(stamp.as_bytes())} for stamp in stamps]
            },
        },
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": text(hashlib.sha256(data).digest())},
            "signature": text(signature),
        },
    }
    Path(bundle_file).write_text(json.dumps(bundle))
    print("signed")


def verify(root_file: str, bundle_file: str, artifact: str, identity: str, issuer: str) -> None:
    root = TrustedRoot.from_file(root_file)
    bundle = json.loads(Path(bundle_file).read_text())
    material = bundle["verificationMaterial"]
    signature = base64.b64decode(bundle["messageSignature"]["signature"])
    chain = material.get("x509CertificateChain", {"certificates": [material.get("certificate")]})
    cert = x509.load_der_x509_certificate(base64.b64decode(chain["certificates"][0]["rawBytes"]))
    # Its constructor wants a Rekor in the root.
    verifier = Verifier.__new__(Verifier)
    verifier._trusted_root = root
    verifier._fulcio_certificate_chain = root.get_fulcio_certs()

    def times():
        tokens = material["timestampVerificationData"]["rfc3161Timestamps"]
        answers = [decode_timestamp_response(base64.b64decode(t["signedTimestamp"])) for t in tokens]
        found = [verifier._verify_signed_timestamp(answer, signature) for answer in answers]
        if not found or None in found:
            raise ValueError("not enough sources of verified time")
        return found

    def within(at) -> None:
        if not cert.not_valid_before_utc <= at.time <= cert.not_valid_after_utc:
            raise ValueError("expired at time of signing")

    def step(name, work):
        try:
            return work()
        except Exception as error:
            print(f"refused: {name}: {error}")
            sys.exit(1)

    for at in step("timestamp", times):
        issuers = step("chain", lambda: verifier._verify_chain_at_time(cert, at))
        step("sct", lambda: verify_sct(cert, issuers, root.ct_keyring(KeyringPurpose.VERIFY)))
        step("validity", lambda: within(at))
    step("identity", lambda: Identity(identity=identity, issuer=issuer).verify(cert))
    data = Path(artifact).read_bytes()
    step("signature", lambda: cert.public_key().verify(signature, data, ec.ECDSA(hashes.SHA256())))
    print("verified")


def judge(questions_file: str) -> None:
    for asked in json.loads(Path(questions_file).read_text()):
        try:
            verifier = Verifier(trusted_root=TrustedRoot.from_file(asked["trustedRoot"]))
            bundle = Bundle.from_json(Path(asked["bundle"]).read_text())
            policy = Identity(identity=asked["identity"], issuer=asked["issuer"])
            if bundle._dsse_envelope is None:
                verifier.verify_artifact(Path(asked["artifact"]).read_bytes(), bundle, policy)
            else:
                verifier.verify_dsse(bundle, policy)
            print("verified")
        except Exception as error:
            print("refused:", type(error).__name__, " ".join(str(error).split()))


{"sign": sign, "verify": verify, "judge": judge}[sys.argv[1]](*sys.argv[2:])

//! sigstore-rs asks for a certificate: by the second version of the API as its signing session does, and by the first.
//!
//!     sigstore-rs-judge v2|v1 URL TOKEN_FILE EMAIL
//!
//! Prints leaf and chain as PEM, or `refused: ` and why.

use std::{env, fs, process::exit, str::FromStr};

use openidconnect::core::CoreIdToken;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::elliptic_curve::Generate;
use sigstore::crypto::SigningScheme;
use sigstore::fulcio::{FulcioClient, TokenProvider};
use sigstore::oauth::IdentityToken;
use x509_cert::builder::{Builder, RequestBuilder};
use x509_cert::der::{EncodePem, pem::LineEnding};
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::name::Name;

type Outcome = Result<String, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let [version, url, token_file, email] = args.as_slice() else {
        panic!("v2|v1 URL TOKEN_FILE EMAIL");
    };
    let token = fs::read_to_string(token_file).expect("the token");
    let outcome = match version.as_str() {
        "v2" => second(url, &token).await,
        _ => first(url, &token, email).await,
    };
    match outcome {
        Ok(pem) => print!("{pem}"),
        Err(error) => {
            println!("refused: {error}");
            exit(1);
        }
    }
}

fn client(
    url: &str,
    token: &str,
    challenge: &str,
) -> Result<FulcioClient, Box<dyn std::error::Error>> {
    let provider = TokenProvider::Static((CoreIdToken::from_str(token)?, challenge.to_owned()));
    Ok(FulcioClient::new(url.parse()?, provider))
}

async fn second(url: &str, token: &str) -> Outcome {
    let key = SigningKey::generate();
    let mut builder = RequestBuilder::new(Name::default())?;
    builder.add_extension(&BasicConstraints {
        ca: false,
        path_len_constraint: None,
    })?;
    let request = builder.build::<_, DerSignature>(&key)?;
    let identity = IdentityToken::try_from(token)?;
    let issued = client(url, token, "")?
        .request_cert_v2(request, &identity)
        .await?;
    let certificates = std::iter::once(&issued.cert).chain(&issued.chain);
    Ok(certificates
        .map(|one| one.to_pem(LineEnding::LF))
        .collect::<Result<String, _>>()?)
}

async fn first(url: &str, token: &str, email: &str) -> Outcome {
    let (_, issued) = client(url, token, email)?
        .request_cert(SigningScheme::ECDSA_P256_SHA256_ASN1)
        .await?;
    Ok(issued.to_string())
}

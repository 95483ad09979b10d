import dev.sigstore.KeylessSigner;
import dev.sigstore.KeylessVerificationException;
import dev.sigstore.KeylessVerifier;
import dev.sigstore.SigningConfigProvider;
import dev.sigstore.TrustedRootProvider;
import dev.sigstore.VerificationOptions;
import dev.sigstore.VerificationOptions.CertificateMatcher;
import dev.sigstore.bundle.Bundle;
import dev.sigstore.oidc.client.OidcClients;
import dev.sigstore.oidc.client.TokenStringOidcClient;
import dev.sigstore.strings.StringMatcher;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Signs a file and a statement about it with sigstore-java's own signer, as its documentation shows, and verifies both with its own verifier:
 * TRUSTED_ROOT TOKEN_FILE FILE STATEMENT IDENTITY ISSUER SIGNING_CONFIG... Writes SIGNING_CONFIG.bundle.json and SIGNING_CONFIG.statement.json.
 */
class Sign {
  public static void main(String[] args) throws Exception {
    var root = TrustedRootProvider.from(Path.of(args[0]));
    var token = TokenStringOidcClient.from(Files.readString(Path.of(args[1])).trim());
    var file = Path.of(args[2]);
    var statement = Files.readString(Path.of(args[3]));
    // For all but what is trusted.
    var verifier = KeylessVerifier.builder().sigstorePublicDefaults().trustedRootProvider(root).build();
    for (var i = 6; i < args.length; i++) {
      var signer =
          KeylessSigner.builder()
              // For all but where services are and what is trusted.
              .sigstorePublicDefaults()
              .trustedRootProvider(root)
              .signingConfigProvider(SigningConfigProvider.from(Path.of(args[i])))
              .enableRekorV2(true)
              .forceCredentialProviders(OidcClients.of(token))
              .build();
      for (var kind : new String[] {"bundle", "statement"}) {
        var at = Path.of(args[i] + "." + kind + ".json");
        try {
          Files.writeString(at, (kind == "bundle" ? signer.signFile(file) : signer.attest(statement)).toJson());
          var bundle = Bundle.from(at, java.nio.charset.StandardCharsets.UTF_8);
          verifier.verify(file, bundle, by(args[4], args[5]));
          System.out.println("verified " + kind);
          try {
            verifier.verify(file, bundle, by("eve@example.com", args[5]));
            System.out.println("accepted another identity");
          } catch (KeylessVerificationException refused) {
            System.out.println("refused another identity");
          }
        } catch (Exception e) {
          System.out.println(kind + ": " + e.getMessage());
        }
      }
    }
  }

  static VerificationOptions by(String identity, String issuer) throws Exception {
    var matcher =
        CertificateMatcher.fulcio()
            .subjectAlternativeName(StringMatcher.string(identity))
            .issuer(StringMatcher.string(issuer))
            .build();
    return VerificationOptions.builder().addCertificateMatchers(matcher).build();
  }
}

import dev.sigstore.KeylessSigner;
import dev.sigstore.SigningConfigProvider;
import dev.sigstore.TrustedRootProvider;
import dev.sigstore.oidc.client.OidcClients;
import dev.sigstore.oidc.client.TokenStringOidcClient;
import java.nio.file.Files;
import java.nio.file.Path;

/** Signs a file with sigstore-java's own signer, as its documentation shows: TRUSTED_ROOT SIGNING_CONFIG TOKEN_FILE FILE BUNDLE. */
class Sign {
  public static void main(String[] args) throws Exception {
    var token = Files.readString(Path.of(args[2])).trim();
    var signer =
        KeylessSigner.builder()
            // For all but where services are and what is trusted.
            .sigstorePublicDefaults()
            .trustedRootProvider(TrustedRootProvider.from(Path.of(args[0])))
            .signingConfigProvider(SigningConfigProvider.from(Path.of(args[1])))
            .enableRekorV2(true)
            .forceCredentialProviders(OidcClients.of(TokenStringOidcClient.from(token)))
            .build();
    var file = Path.of(args[3]);
    // Its own writer of bundles refuses the entry with index 0, which it takes for none: the first of a new log is not written.
    signer.signFile(file);
    Files.writeString(Path.of(args[4]), signer.signFile(file).toJson());
  }
}

// sigstore-go with the exported files alone.
//
//	sigstore-go sign   TRUSTED_ROOT SIGNING_CONFIG TOKEN_FILE ARTIFACT BUNDLE
//	sigstore-go verify TRUSTED_ROOT BUNDLE ARTIFACT IDENTITY ISSUER timestamp|now
package main

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/encoding/protojson"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
	return value
}

func main() {
	work := map[string]func(args []string){"sign": signFile, "verify": verifyFile}[os.Args[1]]
	work(os.Args[2:])
}

func signFile(args []string) {
	trusted := must(root.NewTrustedRootFromPath(args[0]))
	config := must(root.NewSigningConfigFromPath(args[1]))
	token := string(must(os.ReadFile(args[2])))
	artifact := must(os.ReadFile(args[3]))
	ca := must(root.SelectService(config.FulcioCertificateAuthorityURLs(), []uint32{1}, time.Now()))
	options := sign.BundleOptions{
		TrustedRoot:                trusted,
		CertificateProvider:        sign.NewFulcio(&sign.FulcioOptions{BaseURL: ca.URL}),
		CertificateProviderOptions: &sign.CertificateProviderOptions{IDToken: token},
	}
	if len(config.TimestampAuthorityURLs()) > 0 {
		for _, tsa := range must(root.SelectServices(config.TimestampAuthorityURLs(), config.TimestampAuthorityURLsConfig(), []uint32{1}, time.Now())) {
			authority := sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: tsa.URL})
			options.TimestampAuthorities = append(options.TimestampAuthorities, authority)
		}
	}
	keypair := must(sign.NewEphemeralKeypair(nil))
	signed := must(sign.Bundle(&sign.PlainData{Data: artifact}, keypair, options))
	text := must(protojson.Marshal(signed))
	must(0, os.WriteFile(args[4], text, 0o644))
	fmt.Println("signed")
}

func verifyFile(args []string) {
	trusted := must(root.NewTrustedRootFromPath(args[0]))
	signed := must(bundle.LoadJSONFromPath(args[1]))
	artifact := must(os.ReadFile(args[2]))
	at := verify.WithCurrentTime()
	if args[5] == "timestamp" {
		at = verify.WithSignedTimestamps(1)
	}
	verifier := must(verify.NewVerifier(trusted, verify.WithSignedCertificateTimestamps(1), at))
	identity := must(verify.NewShortCertificateIdentity(args[4], "", args[3], ""))
	policy := verify.NewPolicy(verify.WithArtifact(bytes.NewReader(artifact)), verify.WithCertificateIdentity(identity))
	must(verifier.Verify(signed, policy))
	fmt.Println("verified")
}

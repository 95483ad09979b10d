// sigstore-go with the exported files alone, and the verifier of signed notes that Go itself uses.
//
//	sigstore-go sign   TRUSTED_ROOT SIGNING_CONFIG TOKEN_FILE ARTIFACT BUNDLE
//	sigstore-go verify TRUSTED_ROOT BUNDLE ARTIFACT IDENTITY ISSUER timestamp|now|log
//	sigstore-go judge  QUESTIONS
//	sigstore-go note   PUBLIC_KEY NAME CHECKPOINT
//
// `sign` logs where the signing config names a log. `verify … log` demands what cosign does: an SCT, an entry, and a time of either kind. `judge` answers a file of questions,
// each with the demands of `verify … log`, with a line each.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"golang.org/x/mod/sumdb/note"
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
	work := map[string]func(args []string){"sign": signFile, "verify": verifyFile, "judge": judge, "note": openNote}[os.Args[1]]
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
	if len(config.RekorLogURLs()) > 0 {
		for _, rekor := range must(root.SelectServices(config.RekorLogURLs(), config.RekorLogURLsConfig(), sign.RekorAPIVersions, time.Now())) {
			log := sign.NewRekor(&sign.RekorOptions{BaseURL: rekor.URL, Version: rekor.MajorAPIVersion})
			options.TransparencyLogs = append(options.TransparencyLogs, log)
		}
	}
	keypair := must(sign.NewEphemeralKeypair(nil))
	signed := must(sign.Bundle(&sign.PlainData{Data: artifact}, keypair, options))
	text := must(protojson.Marshal(signed))
	must(0, os.WriteFile(args[4], text, 0o644))
	fmt.Println("signed")
}

type question struct{ TrustedRoot, Bundle, Artifact, Identity, Issuer string }

func verifyFile(args []string) {
	demands := map[string][]verify.VerifierOption{
		"timestamp": {verify.WithSignedTimestamps(1)},
		"now":       {verify.WithCurrentTime()},
		"log":       logged,
	}[args[5]]
	must(0, verified(question{args[0], args[1], args[2], args[3], args[4]}, demands))
	fmt.Println("verified")
}

var logged = []verify.VerifierOption{verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1)}

func judge(args []string) {
	var questions []question
	must(0, json.Unmarshal(must(os.ReadFile(args[0])), &questions))
	for _, one := range questions {
		if err := verified(one, logged); err != nil {
			fmt.Println("refused:", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("verified")
		}
	}
}

func verified(asked question, demands []verify.VerifierOption) error {
	trusted, err := root.NewTrustedRootFromPath(asked.TrustedRoot)
	if err != nil {
		return err
	}
	signed, err := bundle.LoadJSONFromPath(asked.Bundle)
	if err != nil {
		return err
	}
	artifact, err := os.ReadFile(asked.Artifact)
	if err != nil {
		return err
	}
	verifier, err := verify.NewVerifier(trusted, append(demands, verify.WithSignedCertificateTimestamps(1))...)
	if err != nil {
		return err
	}
	identity, err := verify.NewShortCertificateIdentity(asked.Issuer, "", asked.Identity, "")
	if err != nil {
		return err
	}
	policy := verify.NewPolicy(verify.WithArtifact(bytes.NewReader(artifact)), verify.WithCertificateIdentity(identity))
	_, err = verifier.Verify(signed, policy)
	return err
}

// A key as Go's package of notes wants one. The ids are those of C2SP's signed-note for Ed25519, and of Rekor for ECDSA.
type noteKey struct {
	name   string
	id     uint32
	verify func(msg, sig []byte) bool
}

func (k noteKey) Name() string                { return k.name }
func (k noteKey) KeyHash() uint32             { return k.id }
func (k noteKey) Verify(msg, sig []byte) bool { return k.verify(msg, sig) }

func openNote(args []string) {
	block, _ := pem.Decode(must(os.ReadFile(args[0])))
	key := noteKey{name: args[1]}
	switch public := must(x509.ParsePKIXPublicKey(block.Bytes)).(type) {
	case ed25519.PublicKey:
		sum := sha256.Sum256(append([]byte(args[1]+"\n\x01"), public...))
		key.id = binary.BigEndian.Uint32(sum[:4])
		key.verify = func(msg, sig []byte) bool { return ed25519.Verify(public, msg, sig) }
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(block.Bytes)
		key.id = binary.BigEndian.Uint32(sum[:4])
		key.verify = func(msg, sig []byte) bool {
			digest := sha256.Sum256(msg)
			return ecdsa.VerifyASN1(public, digest[:], sig)
		}
	}
	opened := must(note.Open(must(os.ReadFile(args[2])), note.VerifierList(key)))
	fmt.Printf("%d signatures of %d\n%s", len(opened.Sigs), len(opened.Sigs)+len(opened.UnverifiedSigs), opened.Text)
}

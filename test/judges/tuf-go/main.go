// The TUF client of sigstore-go, which cosign has too.
//
//	tuf-go URL ROOT CACHE TARGET
package main

import (
	"fmt"
	"os"

	"github.com/sigstore/sigstore-go/pkg/tuf"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	return value
}

func main() {
	options := tuf.DefaultOptions()
	options.RepositoryBaseURL = os.Args[1]
	options.Root = must(os.ReadFile(os.Args[2]))
	options.CachePath = os.Args[3]
	client := must(tuf.New(options))
	fmt.Println(string(must(client.GetTarget(os.Args[4]))))
}

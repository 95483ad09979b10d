// The two documents of an API server, registered with go-restful as Kubernetes registers them (pkg/routes/
// openidmetadata.go), behind the container that k8s.io/apiserver makes. Listens on the address that is its argument.
package main

import (
	"net"
	"net/http"
	"os"

	restful "github.com/emicklei/go-restful/v3"
)

func serve(body, contentType string) restful.RouteFunction {
	return func(_ *restful.Request, response *restful.Response) {
		response.Header().Set("Content-Type", contentType)
		response.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = response.Write([]byte(body))
	}
}

func main() {
	container := restful.NewContainer()
	container.ServeMux = http.NewServeMux()
	container.Router(restful.CurlyRouter{})

	configuration := new(restful.WebService).Produces(restful.MIME_JSON)
	configuration.Path("/.well-known/openid-configuration").
		Route(configuration.GET("").To(serve(`{"issuer":"x"}`, restful.MIME_JSON)))
	container.Add(configuration)

	const keys = "application/jwk-set+json"
	set := new(restful.WebService).Produces(keys)
	set.Path("/openid/v1/jwks").Route(set.GET("").To(serve(`{"keys":[]}`, keys)))
	container.Add(set)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString(listener.Addr().String() + "\n")
	panic(http.Serve(listener, container))
}

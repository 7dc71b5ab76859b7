// Command pulumi-resource-docker serves package docker to Pulumi's engine.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"monopco/toolchain/docker"
)

//go:embed schema.json
var schema []byte

func main() {
	err := provider.Main(docker.Name, func(host *provider.HostClient) (rpc.ResourceProviderServer, error) {
		info := docker.Provider()
		return tfbridge.NewProvider(context.Background(), host, docker.Name, docker.Version, info.P, info, schema), nil
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-resource-docker: %v\n", err)
		os.Exit(1)
	}
}

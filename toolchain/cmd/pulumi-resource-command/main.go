// Command pulumi-resource-command serves the provider "command" to Pulumi's engine.
package main

import (
	"context"
	"fmt"
	"os"

	p "github.com/pulumi/pulumi-go-provider"

	"monopco/toolchain/command"
)

func main() {
	if err := p.RunProvider(context.Background(), command.Name, command.Version, command.New()); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-resource-command: %v\n", err)
		os.Exit(1)
	}
}

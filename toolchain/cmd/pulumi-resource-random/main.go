// Command pulumi-resource-random serves the provider "random" to Pulumi's engine.
package main

import (
	"context"
	"fmt"
	"os"

	p "github.com/pulumi/pulumi-go-provider"

	"monopco/toolchain/random"
)

func main() {
	if err := p.RunProvider(context.Background(), random.Name, random.Version, random.New()); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-resource-random: %v\n", err)
		os.Exit(1)
	}
}

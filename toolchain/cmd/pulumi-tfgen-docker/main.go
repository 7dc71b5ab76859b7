// Command pulumi-tfgen-docker writes the schema that pulumi-resource-docker carries.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"

	"monopco/toolchain/docker"
)

func main() { tfgen.Main(docker.Name, docker.Version, docker.Provider()) }

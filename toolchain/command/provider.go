// Package command is the Pulumi provider "command": programs and scripts, run here or on a server over SSH, as
// resources.
//
// Types, properties, and what runs when, are those of the official plugin, so that the published SDKs and
// existing stacks work with either.
package command

import (
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/middleware/schema"

	"monopco/toolchain/command/local"
	"monopco/toolchain/command/output"
	"monopco/toolchain/command/remote"
)

// Name and Version are those of the official plugin whose schema this provider implements.
const (
	Name    = "command"
	Version = "1.2.1"
)

// New returns the provider, ready to be served.
func New() p.Provider {
	return output.Masked(infer.Provider(infer.Options{
		Metadata: schema.Metadata{
			DisplayName: "Command",
			Description: "Commands and scripts, run here or on a server, as resources.",
			LanguageMap: map[string]any{"python": map[string]any{"respectSchemaVersion": true}},
		},
		Resources: []infer.InferredResource{
			infer.Resource(&local.Command{}),
			infer.Resource(&remote.Command{}),
			infer.Resource(&remote.CopyToRemote{}),
			infer.Resource(&remote.CopyFile{}),
		},
		Functions: []infer.InferredFunction{infer.Function(&local.Run{})},
	}))
}

// Package random is the Pulumi provider "random": values that chance decides once and the state keeps.
//
// Types, properties, identifiers and what replaces a resource are those of the official plugin, which is
// bridged from terraform-provider-random, so that the published SDKs and existing stacks work with either.
package random

import (
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/middleware/schema"
)

// Name and Version are those of the official plugin whose schema this provider implements.
const (
	Name    = "random"
	Version = "4.21.4"
)

// New returns the provider, ready to be served.
func New() p.Provider {
	return likeBridged(infer.Provider(infer.Options{
		Metadata: schema.Metadata{
			DisplayName: "Random",
			Description: "Random values that are made once and kept in the state of the stack.",
			LanguageMap: map[string]any{"python": map[string]any{"respectSchemaVersion": true}},
		},
		Resources: []infer.InferredResource{
			infer.Resource(&RandomBytes{}),
			infer.Resource(&RandomID{}),
			infer.Resource(&RandomInteger{}),
			infer.Resource(&RandomPassword{}),
			infer.Resource(&RandomPet{}),
			infer.Resource(&RandomShuffle{}),
			infer.Resource(&RandomString{}),
			infer.Resource(&RandomUUID{}),
			infer.Resource(&RandomUUID4{}),
			infer.Resource(&RandomUUID7{}),
		},
	}))
}

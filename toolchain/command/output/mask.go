package output

import (
	"context"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// shortestSecret is the length below which a secret is not looked for: "1" or "true" is in everything.
const shortestSecret = 6

type secretsKey struct{}

// Masked wraps a provider so that Mask knows the secrets among the inputs of the operation it is called in.
func Masked(inner p.Provider) p.Provider {
	outer := inner
	outer.Create = func(ctx context.Context, req p.CreateRequest) (p.CreateResponse, error) {
		return inner.Create(withSecrets(ctx, req.Properties), req)
	}
	outer.Update = func(ctx context.Context, req p.UpdateRequest) (p.UpdateResponse, error) {
		return inner.Update(withSecrets(ctx, req.Inputs, req.State), req)
	}
	outer.Delete = func(ctx context.Context, req p.DeleteRequest) error {
		return inner.Delete(withSecrets(ctx, req.Properties), req)
	}
	outer.Invoke = func(ctx context.Context, req p.InvokeRequest) (p.InvokeResponse, error) {
		return inner.Invoke(withSecrets(ctx, req.Args), req)
	}
	return outer
}

// Mask replaces the secrets of the operation in a text that people read, such as a log line or an error.
func Mask(ctx context.Context, text string) string {
	secrets, _ := ctx.Value(secretsKey{}).([]string)
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, "[secret]")
	}
	return text
}

func withSecrets(ctx context.Context, inputs ...property.Map) context.Context {
	var secrets []string
	for _, of := range inputs {
		secrets = append(secrets, secretsIn(property.New(of), false)...)
	}
	return context.WithValue(ctx, secretsKey{}, secrets)
}

// secretsIn lists the texts in a value that are secret or inside of something that is.
func secretsIn(value property.Value, inside bool) []string {
	inside = inside || value.Secret()
	var found []string
	switch {
	case value.IsString():
		if secret := strings.TrimSpace(value.AsString()); inside && len(secret) >= shortestSecret {
			found = append(found, secret)
		}
	case value.IsArray():
		for _, item := range value.AsArray().All {
			found = append(found, secretsIn(item, inside)...)
		}
	case value.IsMap():
		for _, item := range value.AsMap().All {
			found = append(found, secretsIn(item, inside)...)
		}
	}
	return found
}

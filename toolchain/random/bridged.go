package random

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// secretOutputs are the outputs that are secret whatever the inputs are, by type name.
var secretOutputs = map[string][]string{
	"RandomBytes":    {"base64", "hex"},
	"RandomPassword": {"bcryptHash", "result"},
}

// stateVersion is the version of a type's state where the official plugin has had others.
var stateVersion = map[string]string{"RandomPassword": "3", "RandomString": "2"}

// likeBridged gives states the form that the official plugin's have, which is bridged from Terraform: a stack
// may be deployed with the one today and with the other tomorrow, without a change.
func likeBridged(inner p.Provider) p.Provider {
	outer := inner
	outer.GetSchema = func(ctx context.Context, req p.GetSchemaRequest) (p.GetSchemaResponse, error) {
		resp, err := inner.GetSchema(ctx, req)
		if err == nil {
			resp.Schema, err = bridgedSchema(resp.Schema)
		}
		return resp, err
	}
	outer.Create = func(ctx context.Context, req p.CreateRequest) (p.CreateResponse, error) {
		resp, err := inner.Create(ctx, req)
		if err == nil && !req.DryRun {
			resp.Properties = bridged(req.Urn, resp.ID, resp.Properties)
		}
		resp.Properties = secrets(resp.Properties, secretOutputs[typeName(req.Urn)])
		return resp, err
	}
	outer.Diff = func(ctx context.Context, req p.DiffRequest) (p.DiffResponse, error) {
		req.State = plain(req.State)
		return inner.Diff(ctx, req)
	}
	outer.Update = func(ctx context.Context, req p.UpdateRequest) (p.UpdateResponse, error) {
		req.State = plain(req.State)
		resp, err := inner.Update(ctx, req)
		if err == nil {
			resp.Properties = secrets(bridged(req.Urn, req.ID, resp.Properties), secretOutputs[typeName(req.Urn)])
		}
		return resp, err
	}
	outer.Delete = func(context.Context, p.DeleteRequest) error { return nil }
	outer.Read = func(ctx context.Context, req p.ReadRequest) (p.ReadResponse, error) {
		if req.Properties.Len() > 0 { // the state is all there is: nothing outside can have changed
			return p.ReadResponse{ID: req.ID, Properties: req.Properties, Inputs: req.Inputs}, nil
		}
		resp, err := inner.Read(ctx, req)
		if err == nil {
			resp.Properties = bridged(req.Urn, resp.ID, resp.Properties)
			resp.Properties = secrets(resp.Properties, secretOutputs[typeName(req.Urn)])
		}
		return resp, err
	}
	outer.Call = func(_ context.Context, req p.CallRequest) (p.CallResponse, error) {
		if req.Tok != "pulumi:providers:random/terraformConfig" {
			return p.CallResponse{}, fmt.Errorf("provider %s has no method %q", Name, req.Tok)
		}
		empty := property.New(property.Map{}) // the provider has no configuration
		return p.CallResponse{Return: property.NewMap(map[string]property.Value{"result": empty})}, nil
	}
	return outer
}

// bridgedSchema tells the readers of a schema that the type random:index/randomId:RandomId is in module index, and
// with which properties a resource that exists is looked up: any.
func bridgedSchema(document string) (string, error) {
	var spec schema.PackageSpec
	if err := json.Unmarshal([]byte(document), &spec); err != nil {
		return "", fmt.Errorf("reading the schema: %w", err)
	}
	spec.Meta = &schema.MetadataSpec{ModuleFormat: "(.*)(?:/[^/]*)"}
	for token, resource := range spec.Resources {
		resource.StateInputs = &schema.ObjectTypeSpec{Type: "object", Properties: resource.Properties}
		spec.Resources[token] = resource
	}
	formatted, err := json.Marshal(spec)
	if err != nil {
		return "", fmt.Errorf("writing the schema: %w", err)
	}
	return string(formatted), nil
}

// bridged adds what the official plugin keeps in a state beside the outputs of the schema.
func bridged(urn resource.URN, id string, state property.Map) property.Map {
	if typeName(urn) != "RandomBytes" {
		state = state.Set("id", property.New(id))
	}
	if version, ok := stateVersion[typeName(urn)]; ok {
		state = state.Set("__meta", property.New(fmt.Sprintf(`{"schema_version":"%s"}`, version)))
	}
	return state
}

// plain removes what the official plugin keeps in a state beside the outputs of the schema.
func plain(state property.Map) property.Map {
	for name := range state.All {
		if name == "id" || strings.HasPrefix(name, "__") {
			state = state.Delete(name)
		}
	}
	return state
}

func typeName(urn resource.URN) string {
	return urn.Type().Name().String()
}

// Package docker is the Pulumi provider "docker" 5.2.0: the resource logic of the upstream Docker provider behind
// Pulumi's bridge, with the types, names, defaults and secrets that the SDK pulumi-docker 5.2.0 declares.
//
// Not part of it: docker.Image, the one resource of the official plugin that is not upstream's. Images are built with
// docker.RemoteImage(build=...), which both have. A program that asks for docker.Image is told that the type is unknown.
package docker

import (
	"unicode"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-docker/shim"
)

const (
	// Name is the package's name in type tokens and in the plugin's file name.
	Name = "docker"
	// Version is that of the SDK whose types are served.
	Version = "5.2.0"
)

// member is the token of a type or function: docker:index/remoteImage:RemoteImage.
func member(name string) tokens.ModuleMember {
	runes := []rune(name)
	runes[0] = unicode.ToLower(runes[0])
	return tokens.ModuleMember(Name + ":index/" + string(runes) + ":" + name)
}

func resource(name string) *tfbridge.ResourceInfo {
	return &tfbridge.ResourceInfo{Tok: tokens.Type(member(name))}
}

func function(name string) *tfbridge.DataSourceInfo {
	return &tfbridge.DataSourceInfo{Tok: member(name)}
}

// Provider maps upstream's resources, data sources and settings to Pulumi's.
func Provider() tfbridge.ProviderInfo {
	provider := tfbridge.ProviderInfo{
		P:           shimv2.NewProvider(shim.NewProvider()),
		Name:        Name,
		Version:     Version,
		Description: "Docker for Pulumi programs",
		Config: map[string]*tfbridge.SchemaInfo{
			"host":          {Default: &tfbridge.DefaultInfo{EnvVars: []string{"DOCKER_HOST"}}},
			"registry_auth": {Name: "registryAuth", MaxItemsOne: tfbridge.False()},
		},
		// Newer upstream than the SDK.
		IgnoreMappings: []string{"docker_containers", "docker_images"},
		Resources: map[string]*tfbridge.ResourceInfo{
			"docker_buildx_builder": resource("BuildxBuilder"),
			"docker_config":         resource("ServiceConfig"),
			"docker_container":      container(),
			"docker_image":          resource("RemoteImage"),
			"docker_network":        resource("Network"),
			"docker_plugin":         resource("Plugin"),
			"docker_registry_image": resource("RegistryImage"),
			"docker_secret":         resource("Secret"),
			"docker_service":        resource("Service"),
			"docker_tag":            resource("Tag"),
			"docker_volume":         resource("Volume"),
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"docker_image":                    function("getRemoteImage"),
			"docker_logs":                     function("getLogs"),
			"docker_network":                  function("getNetwork"),
			"docker_plugin":                   function("getPlugin"),
			"docker_registry_image":           function("getRegistryImage"),
			"docker_registry_image_manifests": function("getRegistryImageManifests"),
		},
	}
	provider.Resources["docker_image"].Fields = map[string]*tfbridge.SchemaInfo{"name": {Name: "name"}}
	provider.SetAutonaming(255, "-")
	return provider
}

// container goes down before its successor comes up: its name and its published ports are taken until then.
func container() *tfbridge.ResourceInfo {
	info := resource("Container")
	info.DeleteBeforeReplace = true
	info.Fields = map[string]*tfbridge.SchemaInfo{
		"command":           {Name: "command"},
		"networks_advanced": {Name: "networksAdvanced"},
	}
	return info
}

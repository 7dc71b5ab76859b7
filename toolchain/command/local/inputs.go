// Package local runs commands on the machine that Pulumi runs on.
package local

import (
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// ProcessInputs say how a command runs and which files it leaves are wanted.
type ProcessInputs struct {
	Stdin                  *string            `pulumi:"stdin,optional"`
	Logging                *Logging           `pulumi:"logging,optional"`
	Interpreter            *[]string          `pulumi:"interpreter,optional"`
	Dir                    *string            `pulumi:"dir,optional"`
	Environment            *map[string]string `pulumi:"environment,optional"`
	AssetPaths             *[]string          `pulumi:"assetPaths,optional"`
	ArchivePaths           *[]string          `pulumi:"archivePaths,optional"`
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`
}

// Annotate describes the inputs.
func (i *ProcessInputs) Annotate(a infer.Annotator) {
	const globs = "Patterns are tried in order; one that begins with ! takes files out again; * matches anything " +
		"but /, ** anything. Directories are not included. Paths are relative to the command's directory."
	a.Describe(&i.Stdin, "What the command reads from its standard input.")
	a.Describe(&i.Logging, "Which of the command's streams are shown while it runs; both when not given. "+
		"The outputs stdout and stderr are set in any case.")
	a.Describe(&i.Interpreter, `The program and arguments that run the command; ["/bin/sh", "-c"] when not given.`)
	a.Describe(&i.Dir, "The directory that the command runs in.")
	a.Describe(&i.Environment, "Environment variables for the command, besides those of Pulumi.")
	a.Describe(&i.AssetPaths, "Which files to return as assets when the command has ended. "+globs)
	a.Describe(&i.ArchivePaths, "Which files to return as one archive when the command has ended. "+globs)
	a.Describe(&i.AddPreviousOutputInEnv, "Whether PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR are set to what "+
		"the last create or update command wrote; true when not given.")
}

// ProcessOutputs are what a command wrote, and the files that were asked for.
type ProcessOutputs struct {
	Stdout  string                            `pulumi:"stdout"`
	Stderr  string                            `pulumi:"stderr"`
	Assets  *map[string]*types.AssetOrArchive `pulumi:"assets,optional"`
	Archive *resource.Archive                 `pulumi:"archive,optional"`
}

// Annotate describes the outputs.
func (o *ProcessOutputs) Annotate(a infer.Annotator) {
	a.Describe(&o.Stdout, "What the command wrote to its standard output.")
	a.Describe(&o.Stderr, "What the command wrote to its standard error.")
	a.Describe(&o.Assets, "The files that assetPaths asked for, by path relative to the command's directory.")
	a.Describe(&o.Archive, "An archive of the files that archivePaths asked for.")
}

// Logging says which of a command's streams are shown while it runs.
type Logging string

// Values lists the choices.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Value: "stdout", Description: "Capture stdout in logs but not stderr"},
		{Value: "stderr", Description: "Capture stderr in logs but not stdout"},
		{Value: "stdoutAndStderr", Description: "Capture stdout and stderr in logs"},
		{Value: "none", Description: "Capture no logs"},
	}
}

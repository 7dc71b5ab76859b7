package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"monopco/toolchain/command/output"
)

// run runs a command to its end. Secrets belong into the standard input or the environment: only the command
// itself is an argument that other users of the machine can see.
func run(ctx context.Context, command string, in ProcessInputs, previous ProcessOutputs) (ProcessOutputs, error) {
	process, err := prepare(ctx, command, in, previous)
	if err != nil {
		return previous, err
	}
	capture := output.NewCapture(ctx, in.Logging)
	process.Stdout, process.Stderr = capture.Stdout(), capture.Stderr()
	err = process.Run()
	if ctx.Err() != nil && process.Process != nil {
		// What of the group has not gone when it was asked to goes now; an error means that all have.
		_ = syscall.Kill(-process.Process.Pid, syscall.SIGKILL)
	}
	if err != nil {
		return previous, capture.Failed(command, err)
	}
	outputs := ProcessOutputs{}
	outputs.Stdout, outputs.Stderr = capture.End()
	if in.AssetPaths != nil {
		assets, err := assetsIn(process.Dir, *in.AssetPaths)
		if err != nil {
			return previous, fmt.Errorf("collecting assetPaths: %w", err)
		}
		outputs.Assets = &assets
	}
	if in.ArchivePaths != nil {
		if outputs.Archive, err = archiveOf(process.Dir, *in.ArchivePaths); err != nil {
			return previous, fmt.Errorf("collecting archivePaths: %w", err)
		}
	}
	return outputs, nil
}

// prepare makes the process: in a group of its own, so that a cancelled command leaves none of its children.
func prepare(ctx context.Context, command string, in ProcessInputs, previous ProcessOutputs) (*exec.Cmd, error) {
	arguments := []string{"/bin/sh", "-c"}
	if in.Interpreter != nil && len(*in.Interpreter) > 0 {
		arguments = append([]string{}, *in.Interpreter...)
	}
	arguments = append(arguments, command)
	process := exec.CommandContext(ctx, arguments[0], arguments[1:]...)
	if in.Dir != nil {
		process.Dir = *in.Dir
	} else {
		here, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("finding the directory to run in: %w", err)
		}
		process.Dir = here
	}
	process.Env = environment(in, previous)
	if in.Stdin != nil {
		process.Stdin = strings.NewReader(*in.Stdin)
	}
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process.Cancel = func() error { return syscall.Kill(-process.Process.Pid, syscall.SIGTERM) }
	process.WaitDelay = output.Grace
	return process, nil
}

func environment(in ProcessInputs, previous ProcessOutputs) []string {
	variables := os.Environ()
	if in.Environment != nil {
		for name, value := range *in.Environment {
			variables = append(variables, name+"="+value)
		}
	}
	if in.AddPreviousOutputInEnv == nil || *in.AddPreviousOutputInEnv {
		if previous.Stdout != "" {
			variables = append(variables, output.PreviousStdout+"="+previous.Stdout)
		}
		if previous.Stderr != "" {
			variables = append(variables, output.PreviousStderr+"="+previous.Stderr)
		}
	}
	return variables
}

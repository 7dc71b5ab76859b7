package remote

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"

	"monopco/toolchain/command/output"
)

const notAccepted = "the server does not accept the environment variable %s. Add it to AcceptEnv in the server's " +
	"sshd_config; or, if a shell runs the command, write it before the command: %[1]s=value command"

// run runs a command on the server and keeps what it writes.
func (o *CommandOutputs) run(ctx context.Context, command string) error {
	server, err := o.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer server.Close()
	session, err := server.NewSession()
	if err != nil {
		return fmt.Errorf("opening a session on %s: %w", valueOr(o.Connection.Host, ""), err)
	}
	defer session.Close() // it has ended by then
	if err := o.setEnvironment(ctx, session); err != nil {
		return err
	}
	if o.Stdin != nil {
		session.Stdin = strings.NewReader(*o.Stdin)
	}
	capture := output.NewCapture(ctx, o.Logging)
	session.Stdout, session.Stderr = capture.Stdout(), capture.Stderr()
	watching := context.AfterFunc(ctx, func() {
		_ = session.Signal(ssh.SIGTERM) // where the server does not pass it on, the connection's end must do
		time.AfterFunc(output.Grace, server.Close)
	})
	defer watching()
	if err := session.Run(command); err != nil {
		return capture.Failed(command, err)
	}
	o.Stdout, o.Stderr = capture.End()
	return nil
}

// setEnvironment sets the variables that were asked for, which the server must accept, and what the command
// before this one wrote, which it may refuse.
func (o *CommandOutputs) setEnvironment(ctx context.Context, session *ssh.Session) error {
	for _, name := range slices.Sorted(maps.Keys(o.Environment)) {
		if err := session.Setenv(name, o.Environment[name]); err != nil {
			return fmt.Errorf(notAccepted+": %w", name, err)
		}
	}
	if !valueOr(o.AddPreviousOutputInEnv, true) {
		return nil
	}
	for name, value := range map[string]string{output.PreviousStdout: o.Stdout, output.PreviousStderr: o.Stderr} {
		if value == "" {
			continue
		}
		if err := session.Setenv(name, value); err != nil {
			p.GetLogger(ctx).Warningf(notAccepted, name)
		}
	}
	return nil
}

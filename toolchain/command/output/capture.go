// Package output keeps what a command writes, shows it while the command runs, and keeps secrets out of that.
package output

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
)

// The environment variables that tell a command what the one before it wrote.
const (
	PreviousStdout = "PULUMI_COMMAND_STDOUT"
	PreviousStderr = "PULUMI_COMMAND_STDERR"
)

// Grace is how long a cancelled command may take to clean up before it is killed.
const Grace = 5 * time.Second

// longestLine is how many bytes without a line end are shown as one line.
const longestLine = 8 << 10

// Capture takes what a command writes.
type Capture struct {
	ctx              context.Context
	lock             sync.Mutex
	both             bytes.Buffer
	out, err         bytes.Buffer
	outLine, errLine line
}

// line is the part of a stream that waits for its line end.
type line struct {
	shown  bool
	buffer bytes.Buffer
}

// NewCapture returns a Capture that shows standard output and standard error as asked for by the value of the
// input "logging": stdout, stderr, stdoutAndStderr or none; nil is stdoutAndStderr.
func NewCapture[Mode ~string](ctx context.Context, logging *Mode) *Capture {
	mode := "stdoutAndStderr"
	if logging != nil {
		mode = string(*logging)
	}
	both := mode == "stdoutAndStderr"
	return &Capture{
		ctx:     ctx,
		outLine: line{shown: both || mode == "stdout"},
		errLine: line{shown: both || mode == "stderr"},
	}
}

// Stdout is where the command's standard output goes.
func (c *Capture) Stdout() io.Writer {
	return writer(func(written []byte) { c.take(written, &c.out, &c.outLine) })
}

// Stderr is where the command's standard error goes.
func (c *Capture) Stderr() io.Writer {
	return writer(func(written []byte) { c.take(written, &c.err, &c.errLine) })
}

// End shows what is left of lines without an end, and returns what was written. One line end at the end of each
// stream is left out, and bytes that are not UTF-8 are replaced, as a state cannot hold them.
func (c *Capture) End() (stdout, stderr string) {
	c.lock.Lock()
	defer c.lock.Unlock()
	for _, waiting := range []*line{&c.outLine, &c.errLine} {
		if waiting.buffer.Len() > 0 {
			c.show(waiting.buffer.String())
			waiting.buffer.Reset()
		}
	}
	return text(&c.out), text(&c.err)
}

// Failed is the error of a command that ended with err: it includes all that the command wrote.
func (c *Capture) Failed(command string, err error) error {
	c.End()
	if cause := context.Cause(c.ctx); cause != nil {
		err = fmt.Errorf("%w (%w)", err, cause)
	}
	written := strings.ToValidUTF8(c.both.String(), "\uFFFD")
	return fmt.Errorf("%w: running %q:\n%s", err, Mask(c.ctx, command), Mask(c.ctx, written))
}

func (c *Capture) take(written []byte, stream *bytes.Buffer, waiting *line) {
	c.lock.Lock()
	defer c.lock.Unlock()
	stream.Write(written)
	c.both.Write(written)
	if !waiting.shown {
		return
	}
	waiting.buffer.Write(written)
	for {
		end := bytes.IndexByte(waiting.buffer.Bytes(), '\n')
		switch {
		case end >= 0:
			c.show(string(waiting.buffer.Next(end + 1)[:end]))
		case waiting.buffer.Len() >= longestLine:
			c.show(string(waiting.buffer.Next(longestLine)))
		default:
			return
		}
	}
}

func (c *Capture) show(shown string) {
	p.GetLogger(c.ctx).InfoStatus(Mask(c.ctx, strings.ToValidUTF8(shown, "\uFFFD")))
}

func text(stream *bytes.Buffer) string {
	return strings.ToValidUTF8(strings.TrimSuffix(stream.String(), "\n"), "\uFFFD")
}

type writer func([]byte)

func (w writer) Write(written []byte) (int, error) {
	w(written)
	return len(written), nil
}
